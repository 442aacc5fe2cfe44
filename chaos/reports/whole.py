"""Files that are written as a whole: who looks while a run goes on, or after it was killed, meets no half."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Put a text in the place of what is there, also behind a link. Raises OSError."""
    path = path.resolve()
    replaces = os.access(path.parent, os.W_OK) and (path.is_file() or not path.exists())
    if not replaces or path.parts[1:2] in (("dev",), ("proc",)):  # a pipe, a terminal, a folder of others
        path.write_text(text, encoding="utf-8")
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
