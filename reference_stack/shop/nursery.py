"""`python -m reference_stack.shop.nursery`: a nursery for the shop, which runs under Locust.

Importing Locust patches the standard library of the process, and takes a second.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

from reference_stack.settings import StackSettings, read_settings
from reference_stack.shells.processes import Body, run_nursery
from reference_stack.shop.process import command


def main() -> int:
    """Import, and fork shops as standard input says; the exit code."""
    with warnings.catch_warnings():
        # The event loop has imported ssl before, which a shop does not use.
        warnings.simplefilter("ignore")
        importlib.import_module("locust.main")
        import gevent
    importlib.import_module("reference_stack.shop.live")
    # The event loop of this process; each shop makes its own.
    gevent.get_hub().destroy(destroy_loop=True)
    return run_nursery(read_settings, _choose)


def _choose(_name: str, _settings: StackSettings, file: Path) -> Body:
    return Body(run=lambda: _run_locust(file))


def _run_locust(file: Path) -> int:
    from locust.main import main as locust_main

    sys.argv = command(file)[2:]
    try:
        locust_main()  # type: ignore[no-untyped-call]
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
