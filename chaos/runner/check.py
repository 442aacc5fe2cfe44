"""A fault and its probes held against a target before anything is touched: for a plan, and by hand."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import get_args

import msgspec

from chaos.capabilities import BeyondTarget, MeaninglessChange
from chaos.catalogue import Catalogue, UnknownName
from chaos.contracts import EffectCheck, Fault, Probe, Refusing, Usable
from chaos.domain.change import AddDataToxic, AddToxic, Change
from chaos.domain.pace import too_long
from chaos.domain.target import TargetSpec
from chaos.errors import ChaosError, told


def make_fault(name: str, parameters: Mapping[str, object], spec: TargetSpec, catalogue: Catalogue) -> Fault:
    """A fault that can be meant on this target. Raises UnknownName or MeaninglessChange."""
    with _told_as_its_own(name):
        fault = catalogue.faults.make(name, parameters)
        if isinstance(fault, Refusing):
            fault.refuse(spec)
    return fault


def check_lengths(made: Fault | Probe, day_seconds: float) -> None:
    """Whether its operational constants are short beside a day. Raises MeaninglessChange."""
    for field in dataclasses.fields(made):  # type: ignore[arg-type]
        value = getattr(made, field.name)
        if (
            field.name.endswith("_ms")
            and isinstance(value, int | float)
            and (says := too_long(value, day_seconds))
        ):
            raise MeaninglessChange(field.name, says)


def texts_of(fault: str, catalogue: Catalogue) -> dict[str, type]:
    """A fault's parameters that are text (`str`), even one that looks like a number (a build is `2018.10`),
    and those that are several such (`list`).
    """
    try:
        made = catalogue.faults.get(fault)
    except UnknownName:  # told, with the nearest one, when it is to be made
        return {}
    fields = {field.name: field.type for field in dataclasses.fields(made)}  # type: ignore[arg-type]
    kinds: dict[object, type] = {"str": str, str: str}
    kinds |= dict.fromkeys(("list[str]", list[str], "tuple[str, ...]", tuple[str, ...]), list)
    return {name: kinds[kind] for name, kind in fields.items() if kind in kinds}


def make_probe(name: str, parameters: Mapping[str, object], spec: TargetSpec, catalogue: Catalogue) -> Probe:
    """A probe that can be read on this target. Raises UnknownName or MeaninglessChange."""
    with _told_as_its_own(name):
        probe = catalogue.probes.make(name, parameters)
        if isinstance(probe, Refusing):
            probe.refuse(spec)
    return probe


def changes_of(fault: Fault, target: Usable) -> list[Change]:
    """What a fault does to a target. Raises MeaninglessChange, also where that is nothing."""
    changes = listed(fault, target)
    if not changes:
        raise MeaninglessChange("", f"{fault.name} would change nothing on this target")
    return changes


def listed(fault: Fault, target: Usable) -> list[Change]:
    """What a fault does to a target, if anything. Raises MeaninglessChange."""
    with _told_as_its_own(fault.name):
        changes = list(fault.changes(target))
    for change in changes:
        if not isinstance(change, get_args(Change)):
            raise MeaninglessChange("", f"{fault.name} yields {change!r}, which is no change")
        try:
            msgspec.json.decode(msgspec.json.encode(change), type=Change)
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            says = f"{fault.name} yields {change!r}, which no journal can hold: {error}"
            raise MeaninglessChange("", says) from error
    toxics = [change for change in changes if isinstance(change, AddToxic | AddDataToxic)]
    for (name, link), count in Counter((toxic.name, toxic.link) for toxic in toxics).items():
        if count > 1:
            says = f"{fault.name} puts {count} toxics {name} on link {link}, which takes one of a name"
            raise MeaninglessChange("", says)
    return changes


def effect_of(fault: Fault, spec: TargetSpec, catalogue: Catalogue) -> tuple[EffectCheck, Probe] | None:
    """How a fault's effect is seen there; None for one that has none. Raises MeaninglessChange."""
    with _told_as_its_own(fault.name):
        check = fault.effect(spec)
    if check is None:
        return None
    says = f"the effect of {fault.name} cannot be probed"
    if check.at_least == -math.inf and check.at_most == math.inf:
        raise MeaninglessChange(
            "", f"{says}: it has neither at_least nor at_most, so any reading would show it"
        )
    try:
        return check, make_probe(check.probe, check.parameters, spec, catalogue)
    except UnknownName as error:
        raise MeaninglessChange("", f"{says}: {error}", error.nearest) from error
    except BeyondTarget:
        raise
    except MeaninglessChange as error:
        field = _handed_on(fault, check, error.field)
        raise MeaninglessChange(field, f"{says}: {error}", error.nearest) from error


@contextmanager
def _told_as_its_own(name: str) -> Iterator[None]:
    """What breaks in the code of a fault or a probe is no defect of the harness."""
    try:
        yield
    except (ChaosError, MeaninglessChange):
        raise
    except (Exception, SystemExit) as error:  # whatever it is, it is somebody else's code
        raise MeaninglessChange("", f"{name} breaks in its own code: {told(error)}") from error


def _handed_on(fault: Fault, check: EffectCheck, field: str) -> str:
    """The probe's parameter where it is the fault's own, under one name: that is what the user wrote."""
    given = check.parameters.get(field)
    return field if given is not None and getattr(fault, field, None) == given else ""
