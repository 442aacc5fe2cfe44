"""The warm-up: 18 days in virtual time with all layers off, after which a stack is in its steady state.

    python -m reference_stack warmup --world default --seed 1 --out DIR

writes partitions, snapshots, versions, logs and the returning shoppers as folders below DIR. Every arm of a
seed starts from a copy. A warm-up is made once for a world, a seed and the stack's code and settings, and
kept in the user's cache.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from reference_stack.defaults import default_settings, draw_world
from reference_stack.folders import MemoryFolder, cache_folder
from reference_stack.imports import uncollected
from reference_stack.layers.contract import Mode
from reference_stack.registry.memory import Export, MemoryRegistry
from reference_stack.settings import COMPONENTS, REPLICAS, SettingsError, StackSettings
from reference_stack.world import WARM_UP_DAYS

if TYPE_CHECKING:
    from reference_stack.trainer.factors import Solver
    from reference_stack.virtual import Store

    Solving = Callable[[], AbstractContextManager[Solver]]

ALL_RANDOM_UNTIL = -WARM_UP_DAYS + 1.1
"""The first day's slates are random, and go on being so until there is a first model."""
MUCH_EXPLORED_UNTIL = -WARM_UP_DAYS + 8.0
MUCH = 0.3

_MARKER = "warmup.json"
_UNWATCHED = tuple(name for name in COMPONENTS if name not in ("monitor", "oncall"))
_DIGEST_BYTES = 16
_KEPT = 24
"""Warm-ups in the cache, 18 MB each in the world `default`, and as many of MLflow's folders, 1 MB each."""
_LAYOUT = 2
"""Counts up when what a cached warm-up holds changes without the code."""


class Marker(msgspec.Struct, frozen=True):
    """What lies in a folder: the warm-up of a world and a seed."""

    world: str
    seed: int
    key: str


def warm_up(world: str, seed: int, solve: Solver | None = None) -> Store:
    """Live through the 18 days and return the stack's files. Raises SettingsError for an unknown world."""
    with uncollected():  # here, since one that is kept already needs no stack
        from reference_stack.virtual import VirtualStack

    settings = warm_up_settings(world, seed)
    stack = VirtualStack(
        settings,
        start_day=-float(WARM_UP_DAYS),
        world=draw_world(settings),
        components=_UNWATCHED,
        solve=solve,
    )
    try:
        for until_day, share in ((ALL_RANDOM_UNTIL, 1.0), (MUCH_EXPLORED_UNTIL, MUCH), (0.0, None)):
            for replica in REPLICAS:
                stack.configure(replica, "explore_share", share or settings.serving.explore_share)
            stack.advance(until_day)
    finally:
        stack.close()
    return stack.files()


def warm_up_settings(world: str, seed: int) -> StackSettings:
    """The default settings with all layers off, for a stack that ends on day 0."""
    settings = default_settings(world)
    layers = {name: replace(layer, mode=Mode.OFF) for name, layer in settings.layers.items()}
    return replace(settings, seed=seed, days=0.0, layers=layers)


def warm_store(
    world: str,
    seed: int,
    root: Path | None = None,
    cache: Path | None = None,
    solving: Solving | None = None,
) -> Store:
    """The files of a warm-up: those below `root` if it holds the one asked for, else from the cache, where
    it is made if need be, by one process for all that ask meanwhile. Raises SettingsError.

    Singular vectors are found by what `solving` brings up, where it is given and one has to be made.
    """
    if root is not None and lies_in(root, world, seed):
        return read_folders(root)
    file = _cached(cache or cache_folder("warmup"), warm_up_key(world, seed))
    if (kept := _kept(file)) is not None:
        return kept
    with _alone(file.with_suffix(".lock")):
        if (kept := _kept(file)) is not None:
            return kept
        with ExitStack() as stack:
            store = warm_up(world, seed, stack.enter_context(solving()) if solving else None)
        _keep(file, _pack(store))
        return store


def warm_up_key(world: str, seed: int) -> str:
    """A hash of all that a warm-up depends on: world, seed, settings, the stack's files, its libraries, the
    family of processors and the kernel that it is computed with.
    """
    digest = hashlib.blake2b(digest_size=12)
    digest.update(msgspec.json.encode(warm_up_settings(world, seed), order="deterministic"))
    digest.update(
        "\n".join(
            [
                str(_LAYOUT),
                platform.machine(),
                os.environ.get("OPENBLAS_CORETYPE", ""),
                *(version(name) for name in ("numpy", "pyarrow", "scipy", "scikit-learn", "mlflow")),
            ]
        ).encode()
    )
    package = Path(__file__).parent
    files = (file for file in package.rglob("*") if file.is_file() and file.parent.name != "__pycache__")
    for file in sorted(files):
        digest.update(str(file.relative_to(package)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def write_folders(store: Store, out: Path, marker: Marker) -> None:
    """Write a stack's files below `out`, which must be empty or absent. Raises FileExistsError."""
    _check_empty(out)
    _write(store, out, marker)


def _check_empty(out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty")


def place(store: Store, root: Path, marker: Marker, seed: Callable[[Export], object]) -> None:
    """Write a stack's files below `root`, the versions by `seed` into MLflow's store there (`seed_store`).

    The marker comes last: `lies_in` is true of what is whole.
    """
    seed(MemoryRegistry(MemoryFolder({**store}, "registry"), lambda: 0.0).export())
    _write(_without_registry(store), root, marker)


def _without_registry(store: Store) -> Store:
    return {name: data for name, data in store.items() if not name.startswith("registry/")}


def _below_registry(files: Store) -> Store:
    return {f"registry/{name}": data for name, data in files.items()}


def _write(store: Store, out: Path, marker: Marker) -> None:
    for name, data in store.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARKER).write_bytes(msgspec.json.encode(marker))


def read_folders(root: Path) -> Store:
    """A stack's files below `root`, the marker left out."""
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file() and file != root / _MARKER
    }


def main(arguments: Sequence[str] | None = None, solving: Solving | None = None) -> int:
    """The command line; `solving` as for `warm_store`.

    Exits with 3 for a world that is not there or a folder that is not empty.
    """
    parser = argparse.ArgumentParser(prog="python -m reference_stack warmup", description="Make a warm-up.")
    parser.add_argument("--world", default="default")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, help="a folder to write it to; without one it is only kept")
    parser.add_argument(
        "--registry", choices=("folder", "mlflow"), default="folder", help="what holds the versions"
    )
    parser.add_argument("--cache", type=Path, help="where warm-ups are kept between runs")
    options = parser.parse_args(arguments)
    try:
        if options.out is None:
            warm_store(options.world, options.seed, cache=options.cache, solving=solving)
            return 0
        marker = Marker(options.world, options.seed, warm_up_key(options.world, options.seed))
        _check_empty(options.out)
        if options.registry == "mlflow":
            _place_with_mlflow(options.out, marker, options.cache or cache_folder("warmup"), solving)
        else:
            store = warm_store(options.world, options.seed, cache=options.cache, solving=solving)
            write_folders(store, options.out, marker)
    except (SettingsError, FileExistsError) as error:
        parser.exit(3, f"{error}\n")
    return 0


def _place_with_mlflow(out: Path, marker: Marker, cache: Path, solving: Solving | None) -> None:
    """The warm-up below `out`, with MLflow's folder as it was seeded once: MLflow takes seconds to import."""
    file = cache / f"{marker.key}.mlflow"
    if (registry := _kept(file)) is not None:
        store = warm_store(marker.world, marker.seed, cache=cache, solving=solving)
        _write({**_without_registry(store), **_below_registry(registry)}, out, marker)
        return
    from reference_stack.registry.seeder import Seeder

    with closing(Seeder(out)) as seeder:
        store = warm_store(marker.world, marker.seed, cache=cache, solving=solving)
        place(store, out, marker, seeder.seed)
    _keep(file, _pack(read_folders(out / "registry")))


def lies_in(root: Path, world: str, seed: int) -> bool:
    """Whether a folder holds the warm-up of a world and a seed. Raises SettingsError for one of another."""
    try:
        marker = msgspec.json.decode((root / _MARKER).read_bytes(), type=Marker)
    except FileNotFoundError:
        return False
    if (marker.world, marker.seed) != (world, seed):
        raise SettingsError(
            f"{root} holds the warm-up of {marker.world} {marker.seed}, not of {world} {seed}"
        )
    return True


def _cached(cache: Path, key: str) -> Path:
    return cache / f"{key}.msgpack"


def _kept(file: Path) -> Store | None:
    try:
        return _unpack(file.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process is here; one that ends leaves. Where it cannot be told nobody waits."""
    with ExitStack() as stack:
        with suppress(ImportError, OSError):
            import fcntl

            lock.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(lock.open("wb"))
            fcntl.flock(file, fcntl.LOCK_EX)
            stack.callback(lock.unlink, missing_ok=True)  # who waits for it still has it open
        yield


def _pack(store: Store) -> bytes:
    data = msgspec.msgpack.encode(store)
    return _digest(data) + data


def _unpack(data: bytes) -> Store:
    """Raises DecodeError for what is damaged: every trial of a seed rests on it."""
    digest, packed = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if _digest(packed) != digest:
        raise msgspec.DecodeError("these are not the bytes that were kept")
    return msgspec.msgpack.decode(packed, type=dict[str, bytes])


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def _keep(file: Path, data: bytes) -> None:
    """Put a warm-up into the cache, in the place of old ones; one that cannot be written is made again."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        others = sorted(file.parent.glob(f"*{file.suffix}"), key=lambda other: other.stat().st_mtime)
        for old in others[: -_KEPT + 1]:
            old.unlink(missing_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".making-", delete=False) as partial:
            partial.write(data)
        Path(partial.name).replace(file)
    except OSError:
        return
