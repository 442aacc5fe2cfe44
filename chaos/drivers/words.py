"""The command that a target file names, as it is run."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def command_of(words: Sequence[str]) -> list[str]:
    """The words, with this interpreter in the place of `python`."""
    return [sys.executable if word == "python" else word for word in words]
