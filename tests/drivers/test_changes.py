from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest

from chaos.domain.change import (
    AddDataToxic,
    AddToxic,
    Change,
    Configure,
    Feed,
    Kill,
    Pause,
    Push,
    RemoveDataToxic,
    RemoveToxic,
    Resume,
    Scalar,
    SetAlias,
    SetLayer,
    SetLinkUp,
    Start,
)
from chaos.domain.target import TargetSpec
from chaos.drivers.changes import changed_meanwhile, left_over, to_set, undo_of
from chaos.errors import ArmFailed
from tests.harness import target_of


@dataclass
class Present:
    """What a target holds, as a driver would read it."""

    spec: TargetSpec = field(default_factory=target_of)
    settings: dict[tuple[str, str], Scalar] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=lambda: {"champion": 3})
    down: set[str] = field(default_factory=set)
    toxics: set[tuple[str, str]] = field(default_factory=set)
    data_toxics: set[tuple[str, str]] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)

    def setting(self, component: str, key: str) -> Scalar:
        return self.settings[component, key]

    def alias(self, name: str) -> int | None:
        return self.aliases.get(name)

    def link_up(self, link: str) -> bool:
        return link not in self.down

    def has_toxic(self, link: str, name: str) -> bool:
        return (link, name) in self.toxics

    def has_data_toxic(self, link: str, name: str) -> bool:
        return (link, name) in self.data_toxics

    def running(self, component: str) -> bool:
        return component not in self.dead

    def stands_still(self, component: str) -> bool:
        return component in self.stopped


def settings() -> dict[tuple[str, str], Scalar]:
    return {("reader", "cap"): 10, ("reader", "layers.hold.mode"): "enforce"}


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        (AddToxic("wire", "t", "latency", "downstream", 1.0, {}), RemoveToxic("wire", "t")),
        (AddDataToxic("events", "t", "late", {}), RemoveDataToxic("events", "t")),
        (SetLinkUp("wire", False), SetLinkUp("wire", True, expect=False)),
        (Configure("reader", "cap", 20), Configure("reader", "cap", 10, expect="20")),
        (SetLayer("hold", "mode", "off"), SetLayer("hold", "mode", "enforce", expect='"off"')),
        (Kill("writer"), Start("writer")),
        (Pause("writer"), Resume("writer")),
        (SetAlias("champion", 1), SetAlias("champion", 3, expect=1)),
        (SetAlias("canary", 1), SetAlias("canary", None, expect=1)),
        (Start("writer"), None),
    ],
)
def test_an_undo_puts_back_what_is_there_and_knows_what_the_fault_put(
    change: Change, undo: Change | None
) -> None:
    assert undo_of(change, Present(settings=settings())) == undo


@pytest.mark.parametrize(
    "found",
    [{"a": 1}, [1, 2], [["a"]], [None], float("nan"), object()],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize(
    ("change", "key"),
    [
        (Configure("reader", "cap", 20), "cap"),
        (SetLayer("hold", "cap", 20), "layers.hold.cap"),
        (Push("writer", "cap", 20, ["reader"], "somebody"), "cap"),
    ],
)
def test_what_no_undo_could_put_back_is_not_changed(change: Change, key: str, found: object) -> None:
    present = Present(settings={("reader", key): found})  # type: ignore[dict-item]
    with pytest.raises(ArmFailed, match=f"^{key} of reader is .*, which no undo could put back$"):
        undo_of(change, present)


@pytest.mark.parametrize("found", ["", None, True, 0.5, 7, [], ["a", "b"]])
def test_whatever_an_undo_can_hold_is_put_back(found: Scalar) -> None:
    present = Present(settings={("reader", "cap"): found})
    undo = undo_of(Configure("reader", "cap", 20), present)
    assert undo == Configure("reader", "cap", found, expect="20")
    assert msgspec.json.decode(msgspec.json.encode(undo), type=Change) == undo


FAULTED = Present(
    settings={("reader", "cap"): 20, ("reader", "layers.hold.mode"): "off"},
    aliases={"champion": 1},
    down={"wire"},
    toxics={("wire", "t")},
    data_toxics={("events", "t")},
    dead={"writer"},
)
ELSEWHERE = Present(
    settings={("reader", "cap"): 30, ("reader", "layers.hold.mode"): "observe"}, aliases={"champion": 4}
)


@pytest.mark.parametrize(
    "undo",
    [
        RemoveToxic("wire", "t"),
        RemoveDataToxic("events", "t"),
        SetLinkUp("wire", True, expect=False),
        Configure("reader", "cap", 10, expect="20"),
        SetLayer("hold", "mode", "enforce", expect='"off"'),
        SetAlias("champion", 3, expect=1),
        Start("writer"),
    ],
)
def test_an_undo_is_due_while_the_faults_value_stands_and_left_when_another_does(undo: Change) -> None:
    assert not changed_meanwhile(undo, FAULTED)
    assert changed_meanwhile(undo, ELSEWHERE)


SPEC = target_of()
BOTH = SPEC.model_copy(
    update={"layers": {"hold": SPEC.layers["hold"].model_copy(update={"asked_by": ["reader", "writer"]})}}
)
MODE = "layers.hold.mode"


def two(reader: str, writer: str, *, dead: str = "") -> Present:
    """A layer that two components ask, with its mode at each."""
    return Present(BOTH, {("reader", MODE): reader, ("writer", MODE): writer}, dead={dead})


@pytest.mark.parametrize(
    ("present", "put_back"),
    [
        (two("off", "off"), ["reader", "writer"]),
        (two("enforce", "off"), ["writer"]),  # the first was restarted meanwhile
        (two("off", "observe"), ["reader"]),
        (two("enforce", "enforce"), []),
        (two("off", "off", dead="reader"), ["writer"]),
    ],
)
def test_a_layer_is_put_back_wherever_it_is_as_the_fault_left_it(
    present: Present, put_back: list[str]
) -> None:
    undo = SetLayer("hold", "mode", "enforce", expect='"off"')
    assert to_set(undo, present) == put_back
    assert changed_meanwhile(undo, present) is (put_back == [])
    assert (left_over(undo, present) != "") is (put_back != [])


def test_a_fault_sets_a_layer_at_all_who_ask_it() -> None:
    assert to_set(SetLayer("hold", "mode", "off"), two("enforce", "observe")) == ["reader", "writer"]


@pytest.mark.parametrize(("given", "in_force"), [(1, 1.0), (60.0, 60), (0.5, 0.5), (True, True)])
def test_a_number_is_the_faults_however_the_component_writes_it(given: Scalar, in_force: Scalar) -> None:
    present = Present(settings={("reader", "cap"): 10})
    undo = undo_of(Configure("reader", "cap", given), present)
    assert undo is not None
    present.settings["reader", "cap"] = in_force
    assert not changed_meanwhile(undo, present)
    assert "is still" in left_over(undo, present)


def test_a_boolean_is_no_number() -> None:
    present = Present(settings={("reader", "cap"): 10})
    undo = undo_of(Configure("reader", "cap", 1), present)
    assert undo is not None
    present.settings["reader", "cap"] = True
    assert changed_meanwhile(undo, present)


def test_what_stood_still_and_has_ended_meanwhile_cannot_go_on() -> None:
    assert not changed_meanwhile(Resume("writer"), Present())
    assert changed_meanwhile(Resume("writer"), Present(dead={"writer"}))


@pytest.mark.parametrize("undo", [Resume("writer"), Feed("writer")])
def test_what_stands_still_after_it_was_let_go_on_is_not_undone(undo: Change) -> None:
    assert not left_over(undo, Present(stopped={"reader"}))
    assert left_over(undo, Present(stopped={"writer"})) == "writer still stands still"
