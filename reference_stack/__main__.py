"""`python -m reference_stack`: see `reference_stack.cli`."""

import sys

from reference_stack.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
