"""Seeds a registry in a process of its own, which imports MLflow while its parent still makes the warm-up.

python -m reference_stack.registry.seeder ROOT [DATABASE]     the Export as MessagePack on standard input
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from reference_stack.registry.memory import Export
from reference_stack.registry.seeding import prepare, seed_store

_MODULE = "reference_stack.registry.seeder"


class Seeder:
    """The parent's side: started early, told what to write once that is known. For `database_at` see
    `seed_store`.
    """

    def __init__(self, root: Path, database_at: str = "") -> None:
        words = [sys.executable, "-m", _MODULE, str(root), database_at]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE)

    def seed(self, export: Export) -> None:
        """Write `<root>/registry`, see `seed_store`. Raises ChildProcessError."""
        with suppress(BrokenPipeError):
            self._process.communicate(msgspec.msgpack.encode(export))
        if self._process.wait() != 0:
            raise ChildProcessError(f"{_MODULE} ended with {self._process.returncode}")

    def close(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()
        with self._process:  # closes its pipe, and waits
            pass


def main(root: Path, database_at: str = "") -> int:
    """Wait for an Export and write it; the exit code."""
    prepare(database_at)
    try:
        export = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Export)
    except msgspec.DecodeError:
        return 1  # the parent has ended: nobody wants this any more
    seed_store(root, export, database_at=database_at)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
