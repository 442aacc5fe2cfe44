"""What a training leaves on the disk until its version is registered, so that a restart need not train again.

    checkpoints/3-day=3-0a1b2c.json    what the version will be registered with
    checkpoints/3-day=3-0a1b2c.bin     the model, written in parts

Whoever finds a checkpoint takes it as it is: that it was written to its end is for admission to see.
"""

from __future__ import annotations

import msgspec

from reference_stack.ports import Folder, Runtime

_FOLDER = "checkpoints/"
_PARTS = 8
SAVE_MS = 40.0
"""How long the parts take together: what a store beyond this machine would."""


class Checkpoint(msgspec.Struct, frozen=True):
    """What a version is registered with, besides its artifact."""

    training: str
    rows: int
    largest_weight: float
    trained_day: float
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


class Checkpoints:
    """The checkpoints of one trainer."""

    def __init__(self, folder: Folder, runtime: Runtime) -> None:
        self._folder = folder
        self._runtime = runtime

    def find(self, training: str) -> Checkpoint | None:
        """The checkpoint of a training, if one was begun."""
        name = _name(training, "json")
        if not self._folder.exists(name):
            return None
        return msgspec.json.decode(self._folder.read(name), type=Checkpoint)

    def artifact(self, training: str) -> bytes:
        """As much of the model as was written."""
        name = _name(training, "bin")
        return self._folder.read(name) if self._folder.exists(name) else b""

    async def save(self, checkpoint: Checkpoint, artifact: bytes) -> None:
        """Write a checkpoint, part by part."""
        name = _name(checkpoint.training, "bin")
        self._folder.delete(name)
        self._folder.write(_name(checkpoint.training, "json"), msgspec.json.encode(checkpoint))
        size = -(-len(artifact) // _PARTS)
        for start in range(0, len(artifact), size):
            await self._runtime.sleep(SAVE_MS / _PARTS / 1000.0)
            self._folder.append(name, artifact[start : start + size])

    def forget(self, training: str) -> None:
        """The version is registered: what it was made from may go."""
        for kind in ("json", "bin"):
            self._folder.delete(_name(training, kind))


def _name(training: str, kind: str) -> str:
    return f"{_FOLDER}{training.replace('/', '-')}.{kind}"
