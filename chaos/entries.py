"""What there is to say about each thing that can be named: scenarios, faults, layers, probes, targets."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from chaos.catalogue import Catalogue
from chaos.domain.durations import format_days
from chaos.domain.scenario import Alerted, Bound, Expect, Hole, Scenario
from chaos.domain.target import DataLink, LayerSpec, Parameter, TargetSpec

KINDS = ("scenarios", "faults", "layers", "probes", "targets")
UNITS = {"days": "calendar days", "ms": "milliseconds", "names": "list of names"}
LOOP = {
    "users_at_end": "users at the end of the fault",
    "quality_at_end": "quality at the end of the fault",
    "users_week_after": "users a week later",
    "quality_week_after": "quality a week later",
    "gain": "gain of the loop",
}
"""What is claimed of the latency loop, in words."""


@dataclass(frozen=True)
class ParameterEntry:
    """A parameter in words; `default` is None where it must be given."""

    name: str
    unit: str
    range: str
    default: str | None
    says: str = ""


@dataclass(frozen=True)
class Entry:
    """One thing: a sentence, the rest of its text, facts by name, parameters."""

    kind: str
    name: str
    sentence: str
    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    parameters: tuple[ParameterEntry, ...] = ()


def entries(
    kind: str,
    catalogue: Catalogue,
    spec: TargetSpec,
    scenarios: Sequence[Scenario],
    targets: Sequence[TargetSpec],
) -> Iterator[Entry]:
    """All of one of `KINDS`, by name."""
    match kind:
        case "scenarios":
            yield from (scenario_entry(one) for one in scenarios)
        case "faults":
            yield from (fault_entry(name, catalogue, scenarios) for name in catalogue.faults.names())
        case "layers":
            yield from (layer_entry(name, spec, scenarios) for name in sorted(spec.layers))
        case "probes":
            yield from (probe_entry(name, catalogue, scenarios) for name in catalogue.probes.names())
        case "targets":
            yield from (target_entry(one) for one in targets)


def scenario_entry(scenario: Scenario) -> Entry:
    """What it teaches, what is done, and who is expected to answer."""
    expect = scenario.expect
    facts = [("kind", scenario.kind.value), ("source", _line(scenario.source)), *_setting(scenario)]
    if scenario.faults:
        facts.append(("faults", "; ".join(_use(scenario, index) for index in range(len(scenario.faults)))))
    holes = [_hole(hole) for hole in scenario.latent]
    facts += [("holes", "; ".join(holes))] if holes else []
    if expect.detected is not None:
        within = format_days(expect.detected.within)
        of = f" (of {' and '.join(expect.detected.of)})" if expect.detected.of else ""
        facts.append(("detected by", f"{' or '.join(expect.detected.by)}, within {within}{of}"))
    if expect.alerted is not None:
        facts.append(("alerted", _alerted(expect.alerted)))
    if expect.missed_by:
        facts.append(("missed by", ", ".join(expect.missed_by)))
    if expect.contained is not None:
        held = expect.contained
        bound = f"at least {held.at_least:g}" if held.at_least is not None else f"at most {held.at_most:g}"
        facts.append(("contained", f"{bound} of {held.of.value}"))
    if expect.harmful is not None:
        facts.append(("harm without layers", expect.harmful.value))
    facts += _bounds(expect)
    if scenario.decisive:
        facts.append(("decided by", "; ".join(" and ".join(layers) for layers in scenario.decisive)))
    if scenario.tags:
        facts.append(("tags", ", ".join(scenario.tags)))
    return Entry("scenario", scenario.scenario, _line(scenario.teaches), facts=tuple(facts))


def _setting(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """What it is run with, where that is not what any scenario is run with."""
    yield "days", format_days(scenario.days)
    if scenario.day_seconds is not None:
        yield "a day", f"{scenario.day_seconds:g} s, the pace that its load needs"
    if scenario.world != "default":
        yield "world", scenario.world
    if scenario.seeds is not None:
        yield "seeds", f"{', '.join(map(str, scenario.seeds))}, and no others"
    if scenario.pass_share != 1:
        yield "passes", f"where {scenario.pass_share:g} of its trials do"
    if scenario.large:
        yield "large", "left to a run of its own, unless it is named"


def _alerted(alerted: Alerted) -> str:
    told = [f"{field} {value}" for field, value in alerted.wanted.items()]
    told.append(f"within {format_days(alerted.within)} of the effect")
    if alerted.acknowledged_within is not None:
        told.append(f"acknowledged within {format_days(alerted.acknowledged_within)}")
    if alerted.unanswered:
        told.append("answered by nobody")
    return ", ".join(told)


def _bounds(expect: Expect) -> Iterator[tuple[str, str]]:
    """What the defended arm may suffer, and the loop, the recovery and the false alarms that are claimed."""
    if expect.budgets:
        told = [
            f"at most {most:g} {kind.value}" if most else f"no {kind.value}"
            for kind, most in expect.budgets.items()
        ]
        yield "budgets", "; ".join(told)
    if expect.loop is not None:
        told = [f"{LOOP[name]} {_bound(bound)}" for name, bound in expect.loop.bounds.items()]
        yield "latency loop", f"without layers (1: as without the fault), {'; '.join(told)}"
    if expect.recovered is not None:
        yield "recovered", f"within {format_days(expect.recovered.within)} of the undo"
    if expect.false_alarms is not None:
        yield "false alarms", f"at most {expect.false_alarms}" if expect.false_alarms else "none"


def _bound(bound: Bound) -> str:
    ends = (("at least", bound.at_least), ("at most", bound.at_most))
    return " and ".join(f"{word} {end:g}" for word, end in ends if end is not None)


def _use(scenario: Scenario, index: int) -> str:
    use = scenario.faults[index]
    given = ", ".join(f"{key} {_short(value)}" for key, value in use.with_.items())
    lasts = f" for {format_days(use.for_)}" if use.for_ is not None else ""
    begins = f"on day {use.at:g}"
    if use.when is not None:
        begins = f"at the first {use.when.action} of {use.when.component} from day {use.at:g} on"
    return f"{use.fault}{f' ({given})' if given else ''} {begins}{lasts}"


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _hole(hole: Hole) -> str:
    what = [hole.mode.value] if hole.mode is not None else []
    what += [f"{key} {value}" for key, value in hole.set_.items()]
    by = f", by {hole.by}" if hole.by else ""
    why = f" ({hole.why})" if hole.why else ""
    return f"{hole.layer} {', '.join(what)}{_span(hole.from_, hole.until)}{by}{why}"


def _span(opens: float | None, closes: float | None) -> str:
    if opens is None:
        return ""
    return f" from day {opens:g}" + ("" if closes is None else f" to {closes:g}")


def fault_entry(name: str, catalogue: Catalogue, scenarios: Sequence[Scenario]) -> Entry:
    """What it does, what it needs, and in which scenarios who answers."""
    entry = catalogue.faults.get(name)
    needs = ", ".join(need.name.value for need in entry.needs) or "nothing"
    facts = [("needs of the target", needs)]
    using = [one for one in scenarios if any(use.fault == name for use in one.faults)]
    if using:
        facts.append(("in", "; ".join(_answered(scenario) for scenario in using)))
    sentence, text = _split(inspect.getdoc(entry) or "")
    return Entry("fault", name, sentence, text, tuple(facts), _parameters(entry))


def _answered(scenario: Scenario) -> str:
    by = scenario.expect.detected.by if scenario.expect.detected else []
    return f"{scenario.scenario} (seen by {' or '.join(by)})" if by else scenario.scenario


def probe_entry(name: str, catalogue: Catalogue, scenarios: Sequence[Scenario]) -> Entry:
    """What it reads, and where."""
    entry = catalogue.probes.get(name)
    using = [one.scenario for one in scenarios if name in _probes(one)]
    facts = (("in", ", ".join(using)),) if using else ()
    sentence, text = _split(inspect.getdoc(entry) or "")
    return Entry("probe", name, sentence, text, facts, _parameters(entry))


def _probes(scenario: Scenario) -> list[str]:
    return [*(use.probe for use in scenario.steady_state), *(use.probe for use in scenario.abort_if)]


def layer_entry(name: str, spec: TargetSpec, scenarios: Sequence[Scenario]) -> Entry:
    """What it is for, where it is asked, what it can be set to, and which scenarios rest on it."""
    layer: LayerSpec = spec.layers[name]
    facts = [
        ("for", ", ".join(stage.value for stage in layer.stages)),
        ("asked by", ", ".join(layer.asked_by)),
        ("switch", f"off, observe, enforce (default {layer.default.value})"),
    ]
    detects = [one.scenario for one in scenarios if one.expect.detected and name in one.expect.detected.by]
    decides = [one.scenario for one in scenarios if any(name in layers for layers in one.decisive)]
    facts += [("expected to detect", ", ".join(detects))] if detects else []
    facts += [("decides", ", ".join(decides))] if decides else []
    parameters = tuple(_layer_parameter(key, one) for key, one in layer.parameters.items())
    return Entry("layer", name, _sentence(layer.says), facts=tuple(facts), parameters=parameters)


def _layer_parameter(name: str, parameter: Parameter) -> ParameterEntry:
    bounds = {"minimum": parameter.at_least, "maximum": parameter.at_most}
    if parameter.type == "share":
        bounds = {"minimum": 0.0, "maximum": 1.0, **{k: v for k, v in bounds.items() if v is not None}}
    value = parameter.default
    default = ", ".join(value) or "none" if isinstance(value, list) else str(value)
    if parameter.worlds:
        default += f" ({', '.join(f'in {world} {other}' for world, other in parameter.worlds.items())})"
    return ParameterEntry(
        name, UNITS.get(parameter.type, parameter.type), _range(bounds), default, parameter.says
    )


def target_entry(spec: TargetSpec) -> Entry:
    """What it is made of and can be asked to do."""
    network = [name for name, link in spec.links.items() if not isinstance(link, DataLink)]
    data = [name for name, link in spec.links.items() if isinstance(link, DataLink)]
    facts = [
        ("driver", spec.driver.kind),
        ("extends", spec.extends or ""),
        ("can", ", ".join(one.value for one in spec.capabilities)),
        ("arms", ", ".join(arm.value for arm in spec.arms)),
        ("a day", f"{spec.day_seconds:g} s"),
        ("components", ", ".join(spec.components)),
        ("data links", ", ".join(data)),
        ("network links", ", ".join(network)),
        ("layers", ", ".join(spec.layers)),
    ]
    told = tuple((name, says) for name, says in facts if says)
    return Entry("target", spec.target, _sentence(spec.says), facts=told)


def _parameters(entry: type) -> tuple[ParameterEntry, ...]:
    schema: Mapping[str, Mapping[str, object]] = TypeAdapter(entry).json_schema().get("properties", {})
    found: list[ParameterEntry] = []
    for field in dataclasses.fields(entry):
        if not field.init:
            continue  # its own memory, and no parameter
        told = _given(schema.get(field.name, {}))
        unit = _unit(field.name, told)
        default = None if field.default is dataclasses.MISSING else _default(unit, field.default)
        found.append(ParameterEntry(field.name, unit, _range(told), default))
    return tuple(found)


def _given(told: Mapping[str, object]) -> Mapping[str, object]:
    """The schema of what may be left out, where it is given."""
    either = told.get("anyOf")
    kinds = [one for one in either if one.get("type") != "null"] if isinstance(either, list) else []
    return kinds[0] if len(kinds) == 1 else told


def _default(unit: str, value: object) -> str:
    clock = {UNITS["days"]: "d", UNITS["ms"]: "ms"}.get(unit, "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}{clock}"
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value) or "none"
    return "none" if value is None or value == "" else str(value)


def _unit(name: str, told: Mapping[str, object]) -> str:
    if "enum" in told:
        return "one of a few"
    if str(told.get("description", "")).startswith("calendar days"):
        return UNITS["days"]
    if str(told.get("description", "")).startswith("operational"):
        return UNITS["ms"]
    kind = {"string": "text", "array": UNITS["names"], "number": "number", "integer": "integer"}
    if name == "share" or name.endswith("_share"):
        return "share"
    return kind.get(str(told.get("type", "")), str(told.get("type", "")) or "any")


def _range(told: Mapping[str, object]) -> str:
    options = told.get("enum")
    if isinstance(options, list):
        return ", ".join(str(option) for option in options)
    words = (
        ("at least", told.get("minimum")),
        ("above", told.get("exclusiveMinimum")),
        ("at most", told.get("maximum")),
        ("below", told.get("exclusiveMaximum")),
    )
    return ", ".join(f"{word} {bound:g}" for word, bound in words if isinstance(bound, int | float))


def _split(text: str) -> tuple[str, str]:
    first, _, rest = text.partition("\n\n")
    return _line(first), rest.strip()


def _sentence(text: str) -> str:
    said = _line(text)
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _line(text: str) -> str:
    return " ".join(text.split())
