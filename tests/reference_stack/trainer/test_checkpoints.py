from __future__ import annotations

from collections.abc import Generator

from reference_stack.folders import Held, MemoryFolder
from reference_stack.trainer.checkpoints import Checkpoint, Checkpoints

TRAINING = "4/day=4-0a1b"
CHECKPOINT = Checkpoint(TRAINING, 100, 1.5, 4.1, {"ridge": "4.0"}, {"auc": 0.8}, {"snapshot": "day=4-0a1b"})
ARTIFACT = bytes(range(250)) * 4


class Pause:
    def __await__(self) -> Generator[None, None, None]:
        yield


class Runtime:
    """Each sleep gives the test a turn."""

    async def sleep(self, _seconds: float) -> None:
        await Pause()


def begun(store: dict[str, Held], turns: int) -> Checkpoints:
    """What a process has written that was killed after so many turns; another one looks at it."""
    work = Checkpoints(MemoryFolder(store, "trainer"), Runtime()).save(CHECKPOINT, ARTIFACT)  # type: ignore[arg-type]
    try:
        for _ in range(turns):
            work.send(None)
    except StopIteration:
        pass
    work.close()
    return Checkpoints(MemoryFolder(store, "trainer"), Runtime())  # type: ignore[arg-type]


def test_a_save_that_was_ended_is_found_whole():
    found = begun({}, 20)
    assert found.find(TRAINING) == CHECKPOINT
    assert found.artifact(TRAINING) == ARTIFACT


def test_a_save_that_was_cut_off_is_found_torn():
    found = begun({}, 4)
    assert found.find(TRAINING) == CHECKPOINT
    assert 0 < len(found.artifact(TRAINING)) < len(ARTIFACT)
    assert ARTIFACT.startswith(found.artifact(TRAINING))


def test_what_is_registered_is_forgotten_and_another_training_is_not_confused_with_it():
    found = begun({}, 20)
    assert found.find("5/day=5-0a1b") is None
    found.forget(TRAINING)
    assert found.find(TRAINING) is None
    assert found.artifact(TRAINING) == b""
