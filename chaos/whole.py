"""Files that are written as a whole: who looks while a run goes on, or after it was killed, meets no half."""

from __future__ import annotations

import os
from pathlib import Path


def is_plain(path: Path) -> bool:
    """Whether a path is a file's, or free for one, and no pipe, terminal or descriptor."""
    return path.absolute().parts[1:2] not in (("dev",), ("proc",)) and (path.is_file() or not path.exists())


def write_whole(path: Path, text: str, *, lasting: bool = False) -> None:
    """Put a text in the place of what is there, also behind a link. With `lasting` it is on the disk then,
    for a machine that loses its power. Raises OSError.
    """
    real = path.resolve()
    if not is_plain(path) or not os.access(real.parent, os.W_OK):
        path.write_text(text, encoding="utf-8")
        return
    partial = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        if lasting:
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
        partial.replace(real)
    finally:
        partial.unlink(missing_ok=True)
