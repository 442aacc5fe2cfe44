"""`python -m reference_stack.registry.nursery`: a nursery for MLflow's server."""

from __future__ import annotations

import sys
from pathlib import Path

from reference_stack.registry.environment import preload
from reference_stack.registry.server import rehearse, serve
from reference_stack.settings import StackSettings, read_settings
from reference_stack.shells.processes import Body, run_nursery


def main() -> int:
    """Import, and fork servers as standard input says; the exit code."""
    preload()
    rehearse()
    return run_nursery(read_settings, _choose)


def _choose(_name: str, settings: StackSettings, _file: Path) -> Body:
    return Body(run=lambda: _serve(settings))


def _serve(settings: StackSettings) -> int:
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
