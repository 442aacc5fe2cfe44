"""Durable storage of components: a directory, a place in any fsspec filesystem, or one dictionary per arm."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Protocol, cast

from reference_stack.ports import Folder
from reference_stack.seeds import fresh_name

_PARTIAL = ".part-"
_PART = r"(?!\.{1,2}(?:/|\Z)|\.part-)[^/]+"
_NAME = re.compile(f"{_PART}(?:/{_PART})*")


class FileSystem(Protocol):
    """What is used of an fsspec filesystem."""

    def pipe_file(self, path: str, value: bytes) -> object:
        """Write a whole file."""
        ...

    def mv(self, path1: str, path2: str) -> object:
        """Rename, over what is there."""
        ...

    def open(self, path: str, mode: str) -> IO[bytes]:
        """Open a file."""
        ...

    def cat_file(self, path: str) -> bytes:
        """Read a whole file."""
        ...

    def isfile(self, path: str) -> bool:
        """Whether it is a file."""
        ...

    def find(self, path: str) -> list[str]:
        """All files below."""
        ...

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        ...

    def makedirs(self, path: str, exist_ok: bool) -> None:
        """Make directories."""
        ...


class DirectoryFolder:
    """A folder that is a directory of this machine.

    What `write` and `append` have taken survives the death of the process, not of the machine.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = os.path.abspath(root)

    def write(self, name: str, data: bytes) -> None:
        """Put a whole file in place at once, by way of a temporary name beside it."""
        path = self._path(name)
        parent, _, last = path.rpartition("/")
        partial = f"{parent}/{_unused(last)}"
        with self._open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC) as file:
            _write_all(file, data)
        os.replace(partial, path)

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file; it has left this process on return."""
        # Opened anew each time: a file that somebody replaced or removed meanwhile must not be written to.
        with self._open(self._path(name), os.O_CREAT | os.O_WRONLY | os.O_APPEND) as file:
            _write_all(file, data)

    def read(self, name: str) -> bytes:
        """The whole file. Raises FileNotFoundError."""
        with open(self._path(name), "rb") as file:
            return file.read()

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        return os.path.isfile(self._path(name))

    def list(self, prefix: str = "") -> Sequence[str]:
        """Sorted names that start with `prefix`; files under way are not shown."""
        below = prefix.rpartition("/")[0]
        names: list[str] = []
        for directory, _, files in os.walk(f"{self._root}/{checked(below)}" if below else self._root):
            inside = directory[len(self._root) + 1 :]
            names.extend(f"{inside}/{file}" if inside else file for file in files)
        return sorted(name for name in names if name.startswith(prefix) and not _under_way(name))

    def delete(self, name: str) -> None:
        """Remove a file; no error if it is not there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{checked(name)}"

    def _open(self, path: str, flags: int) -> io.FileIO:
        try:
            return io.FileIO(os.open(path, flags, 0o644), "wb")
        except FileNotFoundError:  # its directory is not there yet, or no more
            os.makedirs(path.rpartition("/")[0], exist_ok=True)
            return io.FileIO(os.open(path, flags, 0o644), "wb")


class FsspecFolder:
    """A folder below `root` of any fsspec filesystem that can rename (and append, where `append` is used).

    How durable it is depends on the filesystem.
    """

    def __init__(self, filesystem: FileSystem, root: str) -> None:
        self._files = filesystem
        self._root = root.rstrip("/")

    def write(self, name: str, data: bytes) -> None:
        """Put a whole file in place at once, by way of a temporary name beside it."""
        path = self._path(name)
        parent, _, last = path.rpartition("/")
        self._files.makedirs(parent, exist_ok=True)
        partial = f"{parent}/{_unused(last)}"
        self._files.pipe_file(partial, data)
        self._files.mv(partial, path)

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file."""
        path = self._path(name)
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        with self._files.open(path, "ab") as file:
            file.write(data)

    def read(self, name: str) -> bytes:
        """The whole file. Raises FileNotFoundError."""
        return self._files.cat_file(self._path(name))

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        return self._files.isfile(self._path(name))

    def list(self, prefix: str = "") -> Sequence[str]:
        """Sorted names that start with `prefix`; files under way are not shown."""
        below = prefix.rpartition("/")[0]
        inside = len(self._root.strip("/")) + 1
        found = self._files.find(self._path(below) if below else self._root)
        names = (path.strip("/")[inside:] for path in found)
        return sorted(name for name in names if name.startswith(prefix) and not _under_way(name))

    def delete(self, name: str) -> None:
        """Remove a file; no error if it is not there."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{checked(name)}"


Held = bytes | list[bytes]
"""What a file in memory holds; in pieces where something was added since it was last read."""


def whole(store: Mapping[str, Held]) -> dict[str, bytes]:
    """The files of a store, each in one piece."""
    return {name: held if isinstance(held, bytes) else b"".join(held) for name, held in store.items()}


class MemoryFolder:
    """A folder in memory. Folders of one arm share `store`; each sees what lies below its own `root`.

    Whoever reads a file is given the bytes that were written, not a copy of them.
    """

    def __init__(self, store: dict[str, Held] | None = None, root: str = "") -> None:
        self._store: dict[str, Held] = {} if store is None else store
        self._root = f"{root}/" if root else ""
        self._paths: list[str] = []
        self._listed: dict[str, list[str]] = {}
        """By prefix, for as long as `_paths` are those of the store."""

    def write(self, name: str, data: bytes) -> None:
        """Put a whole file in place at once."""
        self._store[self._root + checked(name)] = bytes(data)

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file."""
        path = self._root + checked(name)
        held = self._store.get(path)
        if isinstance(held, list):
            held.append(bytes(data))
        else:
            self._store[path] = [bytes(data)] if held is None else [held, bytes(data)]

    def read(self, name: str) -> bytes:
        """The whole file. Raises FileNotFoundError."""
        path = self._root + checked(name)
        held = self._store.get(path)
        if held is None:
            raise FileNotFoundError(name)
        if isinstance(held, list):
            held = self._store[path] = b"".join(held)
        return held

    def size(self, name: str) -> int:
        """How long a file is, in bytes. Raises FileNotFoundError."""
        return len(self.read(name))

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        return self._root + checked(name) in self._store

    def list(self, prefix: str = "") -> Sequence[str]:
        """Sorted names that start with `prefix`."""
        # Others change the store, past this object too. To see that nothing has come or gone takes a tenth of
        # the time that it takes to look through all names.
        paths = list(self._store)
        if paths != self._paths:
            self._paths = paths
            self._listed.clear()
        names = self._listed.get(prefix)
        if names is None:
            wanted, start = self._root + prefix, len(self._root)
            names = sorted([path[start:] for path in paths if path.startswith(wanted)])
            self._listed[prefix] = names
        return list(names)

    def delete(self, name: str) -> None:
        """Remove a file; no error if it is not there."""
        self._store.pop(self._root + checked(name), None)


def open_folder(where: str) -> Folder:
    """The folder at a path, or at an address that fsspec understands, such as `s3://bucket/path`."""
    if "://" not in where:
        return DirectoryFolder(where)
    from fsspec.core import url_to_fs

    filesystem, root = url_to_fs(where)
    return FsspecFolder(cast(FileSystem, filesystem), root)


def cache_folder(name: str) -> Path:
    """Where this user's runs keep what can be made again: one folder for each kind of it."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mlchaos" / name


@lru_cache(maxsize=1024)
def checked(name: str) -> str:
    """The name itself. Raises ValueError unless it is relative, with `/`, and stays inside."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a file in a folder")
    return name


def _under_way(name: str) -> bool:
    return name.rpartition("/")[2].startswith(_PARTIAL)


def _unused(last: str) -> str:
    # Writers in containers all have the same process number, so that cannot tell them apart.
    return f"{_PARTIAL}{fresh_name()}-{last}"


def _write_all(file: io.FileIO, data: bytes) -> None:
    """In one system call, unless the system takes less: then what is left follows."""
    written = file.write(data)
    while written < len(data):
        written += file.write(data[written:])
