from __future__ import annotations

from pathlib import Path

import pytest

from chaos.domain.change import (
    Change,
    Configure,
    Kill,
    Pause,
    Push,
    RemoveToxic,
    Scalar,
    SetLayer,
    Start,
    Starve,
    Stop,
    TakeBack,
    as_text,
)
from chaos.domain.event import Applied, Event, Planned, Prepared, Undone
from chaos.errors import ArmFailed, ChangeRefused
from chaos.runner.injection import UNDOES, Injector
from chaos.runner.undo import UndoLedger, find_undos
from tests.harness import target_of

SLOW_DAYS = 0.2
CHANGE = RemoveToxic("wire", "a")


class SlowTarget:
    """A target, as much of one as is asked here, to which every change takes time."""

    def __init__(self) -> None:
        self.now = 3.5

    def day(self) -> float:
        return self.now

    def prepare(self, change: Change) -> Change:
        return change

    def apply(self, _change: Change) -> None:
        self.now += SLOW_DAYS

    def revert(self, _undo: Change) -> str:
        self.now += SLOW_DAYS
        return "undone"


def test_a_change_counts_from_when_it_began_to_be_made_and_an_undo_from_its_end(tmp_path: Path) -> None:
    said: list[Event] = []
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(SlowTarget(), ledger, said.append, lambda: None)  # type: ignore[arg-type]
        injector.make("slow", [CHANGE, CHANGE])
        injector.undo("slow")
    days = [(type(event), round(event.day, 3)) for event in said if isinstance(event, Applied | Undone)]
    assert days == [(Applied, 3.5), (Applied, 3.7), (Undone, 4.3), (Undone, 4.3)]
    assert [type(event) for event in said[:3]] == [Planned, Prepared, Applied]


class Door(SlowTarget):
    """It refuses whatever it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.reverted: list[tuple[float, Change]] = []

    def apply(self, _change: Change) -> None:
        raise ChangeRefused("admission", "there is no version 20")

    def revert(self, undo: Change) -> str:
        self.reverted.append((self.now, undo))
        return "left"


def test_the_undo_of_what_was_refused_is_played_at_once_and_never_later(tmp_path: Path) -> None:
    door, said = Door(), list[Event]()
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(door, ledger, said.append, lambda: None)  # type: ignore[arg-type]
        injector.make("alias", [CHANGE])
        door.now = 5.0
        assert injector.undo("alias") == []
        assert injector.undo_rest() == []
    assert door.reverted == [(3.5, CHANGE)]
    assert find_undos(tmp_path / "undo.jsonl").undos == []


def test_the_undo_and_the_journal_are_on_the_disk_before_a_change_is_applied(tmp_path: Path) -> None:
    order: list[str] = []

    class Target(SlowTarget):
        def apply(self, _change: Change) -> None:
            order.append(f"apply, {len(find_undos(tmp_path / 'undo.jsonl').undos)} undos on disk")

    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        said = lambda event: order.append(type(event).__name__)  # noqa: E731
        injector = Injector(Target(), ledger, said, lambda: order.append("sync"))  # type: ignore[arg-type]
        injector.make("late", [CHANGE])
    assert order == ["Planned", "Prepared", "sync", "apply, 1 undos on disk", "Applied"]


def made(target: SlowTarget, path: Path, *keys: str) -> tuple[Injector, list[Event]]:
    """A change for each of some faults."""
    said: list[Event] = []
    injector = Injector(target, UndoLedger(path), said.append, lambda: None)  # type: ignore[arg-type]
    for key in keys:
        injector.make(key, [CHANGE])
    return injector, said


def test_a_fault_is_undone_and_none_whose_name_begins_alike(tmp_path: Path) -> None:
    injector, _ = made(SlowTarget(), tmp_path / "undo.jsonl", "late", "late_again")
    assert [one.id for one in injector.undo("late")] == ["late-1"]
    assert [one.id for one in injector.undo_rest()] == ["late_again-2"]


def test_what_is_refused_takes_nothing_else_back(tmp_path: Path) -> None:
    class Guarded(SlowTarget):
        def apply(self, change: Change) -> None:
            if change != CHANGE:
                raise ChangeRefused("admission", "no")

    injector, said = made(Guarded(), tmp_path / "undo.jsonl", "late")
    (refused,) = injector.make("late", [CHANGE, RemoveToxic("wire", "b")])
    assert refused.id == "late-3"
    assert [event.id for event in said if isinstance(event, Applied)] == ["late-1", "late-2"]
    assert [event.id for event in said if isinstance(event, Undone)] == ["late-3"]


def test_only_what_failed_is_tried_again(tmp_path: Path) -> None:
    """A hole that is open to the end is closed after it."""

    class Stubborn(SlowTarget):
        fails = True

        def revert(self, undo: Change) -> str:
            if self.fails:
                raise ArmFailed("no answer")
            return super().revert(undo)

    target = Stubborn()
    injector, _ = made(target, tmp_path / "undo.jsonl", "hole", "late")
    assert [one.outcome for one in injector.undo("late")] == ["failed"]
    target.fails = False
    assert [one.id for one in injector.try_again()] == ["late-2"]
    assert [one.id for one in injector.undo_rest()] == ["hole-1"]


def test_where_the_calendar_is_broken_an_undo_has_the_day_of_the_last_change(tmp_path: Path) -> None:
    class Broken(SlowTarget):
        def day(self) -> float:
            if self.now > 3.6:
                raise ArmFailed("their calendar is broken")
            return self.now

    injector, _ = made(Broken(), tmp_path / "undo.jsonl", "late")
    assert [(one.day, one.outcome) for one in injector.undo("late")] == [(3.5, "undone")]


class Dead(SlowTarget):
    """A target of which one component does not run."""

    def running(self, component: str) -> bool:
        return component != "writer"


@pytest.mark.parametrize(
    "change", [Kill("writer"), Stop("writer"), Pause("writer"), Starve("writer", 30.0, 10.0)]
)
def test_what_does_not_run_cannot_be_ended_or_held_up(tmp_path: Path, change: Change) -> None:
    said: list[Event] = []
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(Dead(), ledger, said.append, lambda: None)  # type: ignore[arg-type]
        with pytest.raises(ArmFailed, match=r"^writer does not run$"):
            injector.make("kill", [change])
    assert said == []
    assert find_undos(tmp_path / "undo.jsonl").undos == []


def test_what_does_not_run_can_be_restarted_and_what_runs_be_ended(tmp_path: Path) -> None:
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(Dead(), ledger, lambda _event: None, lambda: None)  # type: ignore[arg-type]
        injector.make("restart", [Kill("writer"), Start("writer")])
        injector.make("kill", [Kill("reader")])


def test_of_a_target_that_does_not_know_what_runs_anything_can_be_ended(tmp_path: Path) -> None:
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(SlowTarget(), ledger, lambda _event: None, lambda: None)  # type: ignore[arg-type]
        injector.make("kill", [Kill("writer")])


class Settled(SlowTarget):
    """A target whose reader says every value as text, and whose writer does not say a word."""

    def __init__(self, *, stubborn: bool = False, mute: str = "writer") -> None:
        super().__init__()
        self.spec = target_of()
        self.values: dict[tuple[str, str], Scalar] = {("reader", "cap"): "10", ("reader", MODE): "enforce"}
        self.stubborn = stubborn
        self.mute = mute
        self.asked: list[Push] = []

    def prepare(self, change: Change) -> Change:
        match change:
            case Configure(component=component, key=key, value=value):
                return Configure(component, key, self.values.get((component, key)), expect=as_text(value))
            case SetLayer(layer=layer, key=key, value=value):
                return SetLayer(layer, key, self.values["reader", MODE], expect=as_text(value))
            case Push(key=key, value=value):
                values = {one: self.values[one, key] for one in change.components}
                return TakeBack(key, values, expect=as_text(value))
        return change

    def apply(self, change: Change) -> None:
        match change:
            case Configure(component=component, key=key, value=value):
                self.values[component, key] = str(value)
            case SetLayer(key=key, value=value):
                self.values["reader", MODE] = str(value)
            case Push(key=key, value=value, components=components):
                self.asked.append(change)
                if value != 30:  # which its door has let in for later
                    self.values |= {(one, key): str(value) for one in components}

    def setting(self, component: str, key: str, *, within_ms: float) -> Scalar:
        assert within_ms < 1000
        if component == self.mute:
            raise KeyError(component)
        return self.values[component, key]

    def revert(self, undo: Change) -> str:
        match undo:
            case TakeBack(key=key, values=values, expect=expect):
                pass
            case Configure(component=component, key=key, value=value, expect=expect):
                values = {component: value}
            case _:
                return "left"
        held = [one for one in values if as_text(self.values[one, key]) == expect]
        if held and self.stubborn:
            raise ArmFailed("no answer")
        self.values |= {(one, key): values[one] for one in held}
        return "undone" if held else "left"


MODE = "layers.hold.mode"
CAP = Configure("reader", "cap", 40)


@pytest.mark.parametrize(
    ("change", "key", "before", "says"),
    [
        (CAP, "cap", "10", 'cap of reader is "40" after it was set to 40'),
        (
            Push("writer", "cap", 40, ["reader"], "x"),
            "cap",
            "10",
            'cap of reader is "40" after it was set to 40',
        ),
        (
            SetLayer("hold", "mode", True),
            MODE,
            "enforce",
            'layers.hold.mode of reader is "True" after it was set to true',
        ),
    ],
)
def test_a_value_that_is_in_force_in_another_form_is_put_back(
    tmp_path: Path, change: Change, key: str, before: str, says: str
) -> None:
    target, said = Settled(), list[Event]()
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(target, ledger, said.append, lambda: None)  # type: ignore[arg-type]
        with pytest.raises(ArmFailed, match=f"^{says}, so that its undo could not know it again$"):
            injector.make("config", [change])
        assert [one.outcome for one in injector.undo("config")] == ["undone", "left"]
    assert target.values["reader", key] == before
    assert [type(event) for event in said] == [*[Planned, Prepared, Applied] * 2, Undone, Undone]
    assert find_undos(tmp_path / "undo.jsonl").undos == []


@pytest.mark.parametrize(
    "change",
    [
        Configure("reader", "cap", "40"),
        Configure("writer", "cap", 40),
        SetLayer("hold", "mode", "off"),
        Push("writer", "cap", 30, ["reader"], "x"),
    ],
)
def test_a_value_that_is_in_force_as_it_was_set_or_of_which_nobody_tells_stays(
    tmp_path: Path, change: Change
) -> None:
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(Settled(), ledger, lambda _event: None, lambda: None)  # type: ignore[arg-type]
        assert injector.make("config", [change]) == []
    assert len(find_undos(tmp_path / "undo.jsonl").undos) == 1


def test_every_component_gets_back_what_it_had_and_the_door_forgets_what_is_to_come(tmp_path: Path) -> None:
    target = Settled(mute="")
    target.values["writer", "cap"] = "20"
    push = Push("writer", "cap", 40, ["reader", "writer"], "x")
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(target, ledger, lambda _event: None, lambda: None)  # type: ignore[arg-type]
        with pytest.raises(ArmFailed, match=r"^cap of reader is "):
            injector.make("config", [push])
        target.values["writer", "cap"] = "20"  # which its door has yet to set
        assert [one.outcome for one in injector.undo("config")] == ["left", "undone", "left"]
    assert [target.values[one, "cap"] for one in push.components] == ["10", "20"]
    assert target.asked == [push, Push("writer", "cap", "10", ["reader"], "x", UNDOES)]


def test_an_old_value_that_cannot_be_put_back_is_still_to_be_undone(tmp_path: Path) -> None:
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        target = Settled(stubborn=True)
        injector = Injector(target, ledger, lambda _event: None, lambda: None)  # type: ignore[arg-type]
        with pytest.raises(ArmFailed, match=r"^cap of reader is "):
            injector.make("config", [CAP])
        assert [one.outcome for one in injector.undo("config")] == ["failed", "left"]
        (still,) = find_undos(tmp_path / "undo.jsonl").undos
        assert (still.undo, still.failed) == (
            Configure("reader", "cap", "10", expect='"40"'),
            "no answer",
        )
        target.stubborn = False
        assert [one.outcome for one in injector.undo_rest()] == ["undone"]
    assert target.values["reader", "cap"] == "10"


class Staged(SlowTarget):
    """A target whose door sets a value on the reader at once, and on the writer later."""

    def __init__(self, *, objects: bool = False) -> None:
        super().__init__()
        self.values: dict[str, Scalar] = {"reader": 10, "writer": 20}
        self.asked: list[Push] = []
        self.objects = objects

    def prepare(self, change: Change) -> Change:
        assert isinstance(change, Push)
        return TakeBack(change.key, dict(self.values), expect=as_text(change.value))

    def apply(self, change: Change) -> None:
        assert isinstance(change, Push)
        self.asked.append(change)
        if self.objects and len(self.asked) > 1:
            raise ChangeRefused("config", "nobody else has read it")
        self.values[change.components[0]] = change.value

    def setting(self, component: str, _key: str, *, within_ms: float) -> Scalar:
        assert within_ms < 1000
        return self.values[component]

    def revert(self, undo: Change) -> str:
        assert isinstance(undo, TakeBack)
        held = [one for one, value in self.values.items() if as_text(value) == undo.expect]
        self.values |= {one: undo.values[one] for one in held}
        return "undone" if held else "left"


STAGED = Push("writer", "cap", 40, ["reader", "writer"], "release script", "reviewer")


@pytest.mark.parametrize("objects", [False, True])
def test_a_push_of_which_a_part_is_to_come_is_overtaken_by_its_door(tmp_path: Path, objects: bool) -> None:
    target = Staged(objects=objects)
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(target, ledger, lambda _event: None, lambda: None)  # type: ignore[arg-type]
        injector.make("push", [STAGED])
        assert [one.outcome for one in injector.undo("push")] == ["undone"]
    assert target.asked == [STAGED, Push("writer", "cap", 10, ["reader"], "release script", UNDOES)]
    assert target.values == {"reader": 10, "writer": 20}


@pytest.mark.parametrize(
    ("values", "outcome"), [({"reader": 40, "writer": 40}, "undone"), ({"reader": 10, "writer": 20}, "left")]
)
def test_a_push_that_is_over_is_taken_back_past_the_door(
    tmp_path: Path, values: dict[str, Scalar], outcome: str
) -> None:
    target = Staged()
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(target, ledger, lambda _event: None, lambda: None)  # type: ignore[arg-type]
        injector.make("push", [STAGED])
        target.values = values
        assert [one.outcome for one in injector.undo("push")] == [outcome]
    assert target.asked == [STAGED]
    assert target.values == {"reader": 10, "writer": 20}


def test_a_door_that_answers_too_late_is_overtaken_as_well(tmp_path: Path) -> None:
    class Late(Staged):
        def apply(self, change: Change) -> None:
            super().apply(change)
            if len(self.asked) == 1:
                raise ArmFailed("no answer")

    target = Late()
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(target, ledger, lambda _event: None, lambda: None)  # type: ignore[arg-type]
        with pytest.raises(ArmFailed, match=r"^no answer$"):
            injector.make("push", [STAGED])
        assert [one.outcome for one in injector.undo_rest()] == ["undone"]
    assert [one.value for one in target.asked] == [40, 10]
