"""Journals of arms without a fault, kept by everything that they depend on.

Control and bare are the same for every run of one plan on one version of the code, so a deterministic driver
computes them once. An entry is a journal and its hash; one that does not match is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import all_suffixes
from pathlib import Path

from chaos.domain.plan import ArmPlan

KEPT_IN_A_FOLDER = 16
"""Of which there are 256: some four thousand arms of 0.1 MB."""
MOST_FILES = 20_000
MOST_BYTES = 2 * 1024**3
"""To look at more would take longer than the arms that it spares."""
NOT_CODE = frozenset({"pyvenv.cfg", "conda-meta", "processes.jsonl"})
"""A virtual environment, or the folder of a run."""
CODE = tuple(all_suffixes())


class NotKnown(Exception):
    """What arms are computed by cannot be told, so that none can be kept."""


@dataclass(frozen=True)
class Code:
    """What arms are computed by, as it was before any of it was imported.

    `stamp` is of the files' sizes and times: once it is another one, nobody knows any more by which code an
    arm was computed. `plugins` are the entry points that were there.
    """

    salt: str
    stamp: str
    plugins: tuple[str, ...] = ()


class ArmCache:
    """A folder of journals. `salt` stands for all that is not in the plan: code, libraries, target.

    `unchanged` says whether it still does: else nothing is kept.
    """

    def __init__(self, folder: Path, salt: str, unchanged: Callable[[], bool] = lambda: True) -> None:
        self._folder = folder
        self._salt = salt
        self._unchanged = unchanged

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
        if not self._unchanged():
            return
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
    """A hash of some files, of all that lies below some folders that hold code, and of facts such as library
    versions. Raises NotKnown.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, path, _ in _listed(packages):
        digest.update(name.encode(errors="surrogateescape") + b"\x00")
        if path is not None:
            digest.update(_contents(path))
    for name, value in sorted(facts.items()):
        digest.update(f"{name}={value}\x00".encode())
    return digest.hexdigest()


def stamp_of(packages: Iterable[Path]) -> str:
    """What changes with any of these files, without a look into them. Raises NotKnown."""
    digest = hashlib.blake2b(digest_size=16)
    for name, _, stat in _listed(packages):
        told = None if stat is None else (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        digest.update(f"{name}\x00{told}\x00".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _contents(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError as error:
        raise NotKnown(f"{path}: {error.strerror}") from error


def _listed(packages: Iterable[Path]) -> Iterator[tuple[str, Path | None, os.stat_result | None]]:
    """Names, paths and times of all files; the name alone of a folder that was listed under another one."""
    count = size = 0
    try:
        for package in packages:
            for name, path in _below(package):
                stat = None if path is None else path.stat()
                count, size = count + 1, size + (0 if stat is None else stat.st_size)
                if count > MOST_FILES or size > MOST_BYTES:
                    raise NotKnown(f"{package}: too much lies in it, or beside it")
                yield name, path, stat
    except OSError as error:
        raise NotKnown(f"{error.filename}: {error.strerror}") from error


def _below(package: Path) -> list[tuple[str, Path | None]]:
    """A file; or those below a folder, if there is code among them: without hidden folders, virtual
    environments and the folders of runs, and through links, but nowhere twice.
    """
    if package.is_file():
        return [(package.name, package)]
    found: list[tuple[str, Path | None]] = []
    entered: set[str] = set()
    seen, code = 0, False
    for here, folders, names in os.walk(package, followlinks=True, onerror=_fail):
        if NOT_CODE & {*folders, *names}:
            folders.clear()
            continue
        real, short = os.path.realpath(here), os.path.relpath(here, package.parent)
        if real in entered:
            folders.clear()
            found.append((f"{short} is {real}", None))
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        seen += len(names)
        if seen > MOST_FILES:
            raise NotKnown(f"{package}: too much lies in it")
        code = code or any(name.endswith(CODE) for name in names)
        paths = [Path(here, name) for name in sorted(names)]
        found += [(f"{short}/{path.name}", path) for path in paths if path.is_file()]
    return found if code else []


def _fail(error: OSError) -> None:
    raise error


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
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # of a disk that is full
