"""Journals of arms without a fault, kept by everything that they depend on.

Control and bare are the same for every run of one plan on one version of the code, so a deterministic driver
computes them once. An entry is a journal and its hash; one that does not match is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from chaos.domain.plan import ArmPlan

KEPT_IN_A_FOLDER = 16
"""Of which there are 256: some four thousand arms of 0.1 MB."""


class ArmCache:
    """A folder of journals. `salt` stands for all that is not in the plan: code, libraries, target."""

    def __init__(self, folder: Path, salt: str) -> None:
        self._folder = folder
        self._salt = salt

    def take(self, plan: ArmPlan, journal: Path) -> bool:
        """Copy the arm's journal into place; False where there is none that can be trusted."""
        entry = self._entry(plan)
        try:
            data = entry.read_bytes()
            expected = entry.with_suffix(".blake2b").read_bytes()
        except OSError:
            return False
        if _digest(data).encode() != expected:
            return False
        journal.write_bytes(data)
        with contextlib.suppress(OSError):
            os.utime(entry)
        return True

    def keep(self, plan: ArmPlan, journal: Path) -> None:
        """Keep a finished arm's journal. A cache that cannot be written is no error: nothing is lost."""
        entry = self._entry(plan)
        with contextlib.suppress(OSError):
            entry.parent.mkdir(parents=True, exist_ok=True)
            data = journal.read_bytes()
            _put(entry.with_suffix(".blake2b"), _digest(data).encode())
            _put(entry, data)
            _make_room(entry.parent)

    def _entry(self, plan: ArmPlan) -> Path:
        key = _digest(f"{self._salt}\x1f{plan.fingerprint()}".encode())
        return self._folder / key[:2] / f"{key}.jsonl"


def salt_of(packages: Iterable[Path], facts: Mapping[str, str]) -> str:
    """A hash of some files, of all that lies below some folders, code or not, and of facts such as library
    versions.
    """
    digest = hashlib.blake2b(digest_size=16)
    for package in packages:
        for path in [package] if package.is_file() else _files(package):
            digest.update(str(path.relative_to(package.parent)).encode() + b"\x00")
            digest.update(path.read_bytes())
    for name, value in sorted(facts.items()):
        digest.update(f"{name}={value}\x00".encode())
    return digest.hexdigest()


def _files(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*") if path.is_file() and path.parent.name != "__pycache__")


def _make_room(folder: Path) -> None:
    """Forget what has not been asked for for longest. Keys are hashes: all folders hold about as many."""
    entries = sorted(folder.glob("*.jsonl"), key=lambda entry: entry.stat().st_mtime)
    for old in entries[:-KEPT_IN_A_FOLDER]:
        old.unlink(missing_ok=True)
        old.with_suffix(".blake2b").unlink(missing_ok=True)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _put(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)
