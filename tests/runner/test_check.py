"""Faults of somebody else's, held against a target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import pytest

from chaos.app import make_catalogue
from chaos.capabilities import TOXICS, Capability, Data, Network
from chaos.catalogue import Catalogue, Shelf
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change, Configure
from chaos.domain.target import TargetSpec
from chaos.errors import InvalidInput
from chaos.proxies.network.toxics import by_type
from tests.harness import edited, planned


@dataclass(frozen=True)
class Theirs:
    """A fault that breaks where it is told to."""

    name: ClassVar[str] = "theirs"
    needs: ClassVar[tuple[type[Capability], ...]] = ()
    breaks: str

    def refuse(self, spec: TargetSpec) -> None:
        self._come_to("refuse")

    def changes(self, target: Usable) -> Iterator[Change]:
        self._come_to("changes")
        yield from ()

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        self._come_to("effect")
        return None

    def _come_to(self, where: str) -> None:
        if self.breaks == where:
            raise KeyError("nosuch")


class NeedsData(Theirs):
    needs: ClassVar[tuple[type[Capability], ...]] = (Data,)


@pytest.mark.parametrize(
    ("theirs", "breaks"),
    [
        (Theirs, "refuse"),
        (Theirs, "changes"),
        (Theirs, "effect"),
        (NeedsData, "refuse"),
        (NeedsData, "changes"),
    ],
)
def test_what_breaks_in_the_code_of_a_fault_is_told_as_its_own_with_the_place(
    theirs: type[Theirs], breaks: str
) -> None:
    text = edited(faults=[{"fault": "theirs", "with": {"breaks": breaks}, "at": "2d", "for": "1d"}])
    catalogue = Catalogue(Shelf("fault", [theirs]), make_catalogue().probes)
    with pytest.raises(InvalidInput) as caught:
        planned(text, catalogue=catalogue)
    (problem,) = caught.value.problems
    assert problem.line is not None
    assert problem.field == "faults.0.with"
    assert problem.says.startswith("theirs breaks in its own code: KeyError: 'nosuch' (test_check.py, line")


@dataclass(frozen=True)
class Odd:
    """A fault that sets what is no setting."""

    name: ClassVar[str] = "odd"
    needs: ClassVar[tuple[type[Capability], ...]] = ()
    kind: str

    def changes(self, target: Usable) -> Iterator[Change]:
        values: dict[str, Any] = {"mapping": {"a": 1}, "object": object(), "nothing": "no change at all"}
        value = values[self.kind]
        yield value if self.kind == "nothing" else Configure("reader", "cap", value)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        return None


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("mapping", "which no journal can hold: "),
        ("object", "which no journal can hold: "),
        ("nothing", "which is no change"),
    ],
)
def test_a_fault_yields_changes_that_can_be_written_down(kind: str, says: str) -> None:
    text = edited(faults=[{"fault": "odd", "with": {"kind": kind}, "at": "2d", "for": "1d"}])
    catalogue = Catalogue(Shelf("fault", [Odd]), make_catalogue().probes)
    with pytest.raises(InvalidInput, match=f"odd yields .*, {says}"):
        planned(text, catalogue=catalogue)


@dataclass(frozen=True)
class Twice:
    """A fault of two delays on one link, both ways or one way."""

    name: ClassVar[str] = "twice"
    needs: ClassVar[tuple[type[Capability], ...]] = (Network,)
    second: str

    def changes(self, target: Usable) -> Iterator[Change]:
        for stream in ("upstream", self.second):
            yield target.use(Network).toxic("wire", "latency", stream=stream, latency=10, jitter=0)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        return None


@pytest.mark.parametrize("second", ["downstream", "upstream"])
def test_a_link_takes_one_toxic_of_a_kind_and_direction(second: str) -> None:
    text = edited(faults=[{"fault": "twice", "with": {"second": second}, "at": "2d", "for": "1d"}])
    catalogue = Catalogue(Shelf("fault", [Twice]), make_catalogue().probes)
    if second == "downstream":
        assert planned(text, catalogue=catalogue).arms[0].faults
        return
    with pytest.raises(InvalidInput, match="twice puts 2 toxics mlchaos_latency_upstream on link wire"):
        planned(text, catalogue=catalogue)


def of_toxic(type: str, check: EffectCheck, **named: Any) -> type[Twice]:
    """A fault of one toxic, written in somebody else's package and without a type checker."""

    class OneToxic(Twice):
        name: ClassVar[str] = "one_toxic"

        def changes(self, target: Usable) -> Iterator[Change]:
            yield target.use(Network).toxic("wire", type, **named)

        def effect(self, spec: TargetSpec) -> EffectCheck | None:
            return check

    return OneToxic


SLOW = EffectCheck("link_latency", {"link": "wire"}, at_least=9)


@pytest.mark.parametrize(
    ("theirs", "says", "near"),
    [
        (of_toxic("latensy", SLOW, latency=10), "Toxiproxy has no toxic 'latensy'", "latency"),
        (of_toxic("latency", SLOW, latensy=10), "toxic 'latency' has no attribute 'latensy'", "latency"),
        (of_toxic("latency", SLOW, latency=10.5), "latency of toxic 'latency' is a whole number", None),
        (of_toxic("latency", SLOW, latency=True), "latency of toxic 'latency' is a whole number", None),
        (of_toxic("latency", SLOW, latency=10, stream="upstraem"), "not 'upstraem'", "upstream"),
        (of_toxic("latency", SLOW, latency=10, toxicity=1.5), "a share between 0 and 1, not 1.5", None),
        (
            of_toxic("noop", EffectCheck("link_latensy", {}, at_least=1)),
            "no probe 'link_latensy'",
            "link_latency",
        ),
        (
            of_toxic("noop", EffectCheck("link_latency", {"link": "wire"})),
            "it has neither at_least nor at_most",
            None,
        ),
    ],
)
def test_a_slip_in_a_fault_of_ones_own_is_told_before_anything_starts(
    theirs: type[Twice], says: str, near: str | None
) -> None:
    text = edited(faults=[{"fault": "one_toxic", "with": {"second": "x"}, "at": "2d", "for": "1d"}])
    with pytest.raises(InvalidInput) as caught:
        planned(text, catalogue=Catalogue(Shelf("fault", [theirs]), make_catalogue().probes))
    (problem,) = caught.value.problems
    assert says in problem.says
    assert problem.nearest == near


def test_toxics_are_those_of_the_proxy() -> None:
    assert {name: tuple(one.name for one in fields(kind)) for name, kind in by_type().items()} == TOXICS  # type: ignore[arg-type]


@dataclass(frozen=True)
class InWholeMilliseconds:
    """A fault whose length is a number, as in somebody's own package."""

    name: ClassVar[str] = "in_whole_milliseconds"
    needs: ClassVar[tuple[type[Capability], ...]] = ()
    delay_ms: int

    def changes(self, target: Usable) -> Iterator[Change]:
        yield from ()

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        return None


def test_an_operational_length_may_be_a_number_and_is_no_longer_than_any_other() -> None:
    catalogue = Catalogue(Shelf("fault", [InWholeMilliseconds]), make_catalogue().probes)

    def lasting(delay_ms: int) -> str:
        use = {"fault": "in_whole_milliseconds", "with": {"delay_ms": delay_ms}, "at": "2d", "for": "1d"}
        return edited(faults=[use])

    assert planned(lasting(100), catalogue=catalogue).arms[0].faults[0].parameters == {"delay_ms": 100}
    with pytest.raises(InvalidInput, match=r"faults\.0\.with\.delay_ms: 300ms are more than a quarter"):
        planned(lasting(300), catalogue=catalogue)
