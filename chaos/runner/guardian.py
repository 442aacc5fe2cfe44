"""`python -m chaos.runner.guardian RUN`: waits for its runner's end, and cleans up if that came too soon.

It runs in a session of its own, holds the same record as the runner, and learns of the runner's death from
the end of its standard input, which no signal can prevent.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

from chaos.engine import NoEngine
from chaos.errors import ArmFailed
from chaos.runner.imports import as_here
from chaos.runner.remains import is_closed, recover

START_SECONDS = 30.0
CLOSE_SECONDS = 300.0
"""Where something was left behind it takes that down first: an engine's containers take their time."""


class Guardian:
    """The runner's handle on its guardian."""

    def __init__(self, run_folder: Path) -> None:
        with (run_folder / "guardian.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "chaos.runner.guardian", str(run_folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **as_here()},
                start_new_session=True,
            )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        if not ready or self._process.stdout.readline() != b"watching\n":
            self._process.kill()
            self._process.wait()
            raise ArmFailed(f"the guardian did not start; see {run_folder / 'guardian.log'}")

    def close(self) -> None:
        """Let it go, after the record says that nothing is left."""
        assert self._process.stdin is not None
        self._process.stdin.close()  # which tells it
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        with self._process:  # closes its other pipe, and waits
            pass


def main() -> int:
    """Watch over one run."""
    run_folder = Path(sys.argv[1])
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    if is_closed(run_folder):
        return 0
    try:
        done = recover(run_folder)
    except (ArmFailed, NoEngine) as error:
        sys.stderr.write(f"{error}; when it does: mlchaos recover {run_folder}\n")
        return 1
    sys.stderr.write(f"ended {done.ended}; undone {done.undone}; interrupted {done.interrupted}\n")
    for says in done.unread:
        sys.stderr.write(f"{says}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
