"""What a scenario needs and a target lacks: then it is not run there, and nothing is wrong with either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chaos.capabilities import BeyondTarget, Described, MeaninglessChange
from chaos.catalogue import Catalogue, UnknownName
from chaos.domain.scenario import FaultUse, Scenario
from chaos.domain.source import Path_
from chaos.domain.target import CapabilityName, TargetSpec
from chaos.runner.check import effect_of, listed, make_probe, texts_of
from chaos.runner.overrides import Overrides


def needs_lacking(
    scenario: Scenario, spec: TargetSpec, catalogue: Catalogue, asked: Overrides
) -> dict[str, Path_]:
    """Capabilities and toxics that the target lacks, each with what asks for it first in the scenario."""
    found = [
        *_for_truth(scenario, spec, catalogue),
        *_for_faults(scenario, spec, catalogue, asked),
        *_for_layers(scenario, asked),
    ]
    able = {name.value for name in spec.capabilities}
    lacking = {need: place for need, place in reversed(found) if need not in able}
    return dict(sorted(lacking.items()))


def parameters_of(use: FaultUse, asked: Overrides, catalogue: Catalogue) -> dict[str, object]:
    """A fault's parameters, with what the command line sets of them."""
    parameters = {**use.with_}
    for setting in asked.settings:
        if setting.what == "fault" and setting.name == use.key:
            parameters[setting.key] = setting.for_fault(texts_of(use.fault, catalogue))
    return parameters


def probe_uses(scenario: Scenario) -> list[tuple[Path_, str, Mapping[str, object]]]:
    """Every probe that the scenario reads by itself, with its place in the file."""
    uses: list[tuple[Path_, str, Mapping[str, object]]] = [
        (("steady_state", i), use.probe, use.with_) for i, use in enumerate(scenario.steady_state)
    ]
    return uses + [(("abort_if", i), use.probe, use.with_) for i, use in enumerate(scenario.abort_if)]


def _for_truth(scenario: Scenario, spec: TargetSpec, catalogue: Catalogue) -> Iterator[tuple[str, Path_]]:
    """The truth about users, which its expectations and its probes may need."""
    if scenario.expect.of_truth:
        yield CapabilityName.TRUTH.value, ("expect",)
    for path, probe, parameters in probe_uses(scenario):
        try:
            make_probe(probe, parameters, spec, catalogue)
        except BeyondTarget as error:
            yield error.need, (*path, "probe")
        except (UnknownName, MeaninglessChange):
            continue  # told, with its place in the file, when the scenario is planned


def _for_faults(
    scenario: Scenario, spec: TargetSpec, catalogue: Catalogue, asked: Overrides
) -> Iterator[tuple[str, Path_]]:
    for index, use in enumerate(scenario.faults):
        if use.fault not in catalogue.faults.names():
            continue
        names = {need.name for need in catalogue.faults.get(use.fault).needs}
        yield from ((name.value, ("faults", index)) for name in names)
        if names.issubset(spec.capabilities) and (need := _beyond(use, spec, catalogue, asked)):
            yield need, ("faults", index)


def _beyond(use: FaultUse, spec: TargetSpec, catalogue: Catalogue, asked: Overrides) -> str:
    """What a fault with these parameters needs beyond the capabilities of its kind; empty for nothing."""
    try:
        fault = catalogue.faults.make(use.fault, parameters_of(use, asked, catalogue))
        listed(fault, Described(spec))
        effect_of(fault, spec, catalogue)
    except BeyondTarget as error:
        return error.need
    except MeaninglessChange:
        return ""  # told, with its place in the file, when the scenario is planned
    return ""


def _for_layers(scenario: Scenario, asked: Overrides) -> Iterator[tuple[str, Path_]]:
    """Layers to be switched or set, by the scenario or by the command line."""
    if scenario.latent:
        yield CapabilityName.LAYERS.value, ("latent",)
    elif asked.holes or any(setting.what == "layer" for setting in asked.settings):
        yield CapabilityName.LAYERS.value, ()
