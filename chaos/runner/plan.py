"""From a scenario and a target to what each arm will do. Pure: nothing is started, imported or touched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from chaos.capabilities import BeyondTarget, Described, MeaninglessChange
from chaos.catalogue import Catalogue, UnknownName
from chaos.contracts import EffectCheck, Fault, Patient, Probe, SelfTimed
from chaos.domain.change import Promote, SetAlias
from chaos.domain.layer import Mode
from chaos.domain.pace import too_long
from chaos.domain.plan import (
    EFFECT_EVERY_DAYS,
    SAME_DAYS,
    ArmPlan,
    PlannedFault,
    PlannedHole,
    PlannedLayer,
    TrialPlan,
    same_day,
)
from chaos.domain.scenario import Arm, FaultUse, Hole, Scenario
from chaos.domain.source import Path_, Source
from chaos.domain.target import CapabilityName, DataLink, LayerSpec, TargetSpec, UnknownWord
from chaos.errors import InvalidInput, Problem, UsageError, hint, nearest
from chaos.runner.check import changes_of, check_lengths, effect_of, listed, make_fault, make_probe
from chaos.runner.lacking import parameters_of, probe_uses
from chaos.runner.overrides import Overrides
from chaos.runner.quarrels import Claim, claim_of_fault, claim_of_hole, quarrels

CLOCKS = {"days": "d", "ms": "ms"}
"""What a length must say of a parameter of these types."""

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Request:
    """What the user asks for beside the scenario and the target."""

    overrides: Overrides = field(default_factory=Overrides)
    arms: tuple[Arm, ...] = tuple(Arm)
    day_seconds: float | None = None


class Planner:
    """Plans the trials of one scenario on one target; collects every problem before it raises."""

    def __init__(
        self, scenario: Scenario, source: Source, spec: TargetSpec, catalogue: Catalogue, request: Request
    ) -> None:
        self._scenario = scenario
        self._source = source
        self._spec = spec
        self._catalogue = catalogue
        self._request = request
        self._problems: list[Problem] = []
        self.day_seconds = request.day_seconds or scenario.day_seconds or spec.day_seconds

    def plan(self, seed: int) -> TrialPlan:
        """The trial of one seed. Raises InvalidInput with every problem, or UsageError."""
        self._problems = []
        self._check_pace()
        self._check_world()
        self._check_probes()
        self._check_layers()
        self._check_alerted()
        self._check_settings()
        found = [self._plan_fault(index, use) for index, use in enumerate(self._scenario.faults)]
        self._check_quarrels(found)
        faults = [planned for planned in found if planned is not None]
        holes = [*self._scenario.latent, *self._request.overrides.holes]
        if self._problems:
            raise InvalidInput(self._problems)
        able = self._able()
        arms = [arm for arm in self._request.arms if arm in able]
        beyond = [arm.value for arm in self._request.arms if arm not in arms]
        by_name = set(self._request.arms) != set(Arm)  # all four are those that it can run
        if beyond and (by_name or not arms):
            says = f"target {self._spec.target!r} cannot run the arm {beyond[0]!r}"
            raise UsageError(f"{says}; it can run {', '.join(able) or 'none'}")
        planned = [self._plan_arm(arm, seed, faults, holes) for arm in arms]
        self._check_day(planned)
        return TrialPlan(
            scenario=self._scenario,
            target=self._spec.target,
            seed=seed,
            expect=self._scenario.expect,
            arms=planned,
            not_armed=sorted({hole.layer for hole in holes if hole.mode is Mode.OFF} | self._switched_off()),
        )

    def _able(self) -> list[Arm]:
        """The arms that the target can run: layers that nobody can switch are on in every arm."""
        switched = CapabilityName.LAYERS in self._spec.capabilities or not self._spec.layers
        return [arm for arm in self._spec.arms if arm.has_layers or switched]

    def _switched_off(self) -> set[str]:
        """Layers that the command line leaves out, and the target file has on."""
        on = {name: layer for name, layer in self._spec.layers.items() if layer.default is not Mode.OFF}
        return {
            name
            for name, layer in on.items()
            if self._plan_layer(name, layer, Arm.DEFENDED, holes=()).mode is Mode.OFF
        }

    def _plan_arm(
        self, arm: Arm, seed: int, faults: Sequence[PlannedFault], holes: Sequence[Hole]
    ) -> ArmPlan:
        layers = {
            name: self._plan_layer(name, layer, arm, holes) for name, layer in self._spec.layers.items()
        }
        timed = [hole for hole in holes if arm.has_layers and hole.from_ is not None]
        return ArmPlan(
            scenario=self._scenario.scenario,
            kind=self._scenario.kind,
            arm=arm,
            target=self._spec.target,
            world=self._scenario.world,
            seed=seed,
            days=self._scenario.days,
            day_seconds=self.day_seconds,
            layers=layers,
            holes=[planned for hole in timed for planned in _timed(hole, self._spec.layers[hole.layer])],
            faults=list(faults) if arm.has_fault else [],
            effect_watch=[] if arm.has_fault else list(faults),
            steady_state=self._scenario.steady_state,
            abort_if=self._scenario.abort_if,
            data_links={name: link for name, link in self._spec.links.items() if isinstance(link, DataLink)},
            watchdog=self._spec.alerting.watchdog,
            answers_told=self._spec.alerting.answers_told,
            truth=CapabilityName.TRUTH in self._spec.capabilities,
        )

    def _plan_layer(self, name: str, layer: LayerSpec, arm: Arm, holes: Sequence[Hole]) -> PlannedLayer:
        if not arm.has_layers:
            return PlannedLayer(mode=Mode.OFF, stages=layer.stages)
        mode, parameters = layer.default, layer.defaults(self._scenario.world)
        for setting in self._request.overrides.settings:
            if setting.what == "layer" and setting.name in (name, "*"):
                if setting.key == "mode":
                    mode = Mode(setting.value)
                else:
                    parameters[setting.key] = layer.parameters[setting.key].read(setting.scalar)
        for hole in holes:
            if hole.layer != name:
                continue
            if hole.from_ is None:
                mode = hole.mode or mode
                parameters |= {key: layer.parameters[key].read(value) for key, value in hole.set_.items()}
        return PlannedLayer(mode=mode, stages=layer.stages, parameters=parameters)

    def _plan_fault(self, index: int, use: FaultUse) -> PlannedFault | None:
        parameters = parameters_of(use, self._request.overrides, self._catalogue)
        try:
            fault, effect = make_fault(use.fault, parameters, self._spec, self._catalogue), None
            check_lengths(fault, self.day_seconds)
            lacks = [need.name for need in fault.needs if need.name not in self._spec.capabilities]
            if not lacks:
                self._check_changes(fault, use.at)
                effect = self._effect_of(fault)
        except UnknownName as error:
            self._report(("faults", index, "fault"), str(error), error.nearest)
            return None
        except MeaninglessChange as error:
            for setting in self._request.overrides.settings:
                if (setting.what, setting.name, setting.key) == ("fault", use.key, error.field):
                    raise UsageError(f"{setting}: {error}{hint(error.nearest)}") from error
            self._report(("faults", index, "with", error.field), str(error), error.nearest)
            return None
        lasts = use.for_ if use.for_ is not None else lasts_of(fault)
        if lasts is None:
            self._report(("faults", index), f"{use.fault} needs `for`: how long it lasts")
            return None
        if effect is not None and lasts < (seen_days := shortest_seen(*effect)) - SAME_DAYS:
            says = f"{use.key} lasts {lasts:g} d, and its effect is looked for every {EFFECT_EVERY_DAYS:g} d"
            if seen_days > EFFECT_EVERY_DAYS:
                says += f" and seen after {seen_days:g} d"
            self._report(("faults", index, "for"), f"{says}: it would be over before anybody looks")
            return None
        end = same_day(use.at + lasts)
        if end >= self._scenario.days:
            self._report(
                ("faults", index, "at"),
                f"the fault ends on day {end:g}, not inside the run's {self._scenario.days:g} days with time "
                "left to recover",
            )
            return None
        if use.when is not None and use.when.component not in self._spec.components:
            says = f"the target has no component {use.when.component!r}"
            near = nearest(use.when.component, self._spec.components)
            self._report(("faults", index, "when", "component"), says, near)
        return PlannedFault(
            key=use.key,
            fault=use.fault,
            parameters=parameters,
            inject_day=same_day(use.at),
            undo_day=end,
            when=use.when,
        )

    def _check_changes(self, fault: Fault, at_day: float) -> None:
        target = Described(self._spec)
        try:
            # One that needs nothing may do nothing, as `noop` does.
            changes = changes_of(fault, target) if fault.needs else listed(fault, target)
        except BeyondTarget:
            return  # the scenario is not run on this target
        if self._spec.versions is None:
            return
        newest = self._spec.versions + math.ceil(at_day)
        for change in changes:
            if isinstance(change, SetAlias | Promote) and (change.version or 0) > newest:
                says = f"by day {at_day:g} there are versions 1 to {newest} at most, and no {change.version}"
                raise MeaninglessChange("version", says)

    def _effect_of(self, fault: Fault) -> tuple[EffectCheck, Probe] | None:
        try:
            return effect_of(fault, self._spec, self._catalogue)
        except BeyondTarget:
            return None  # the scenario is not run on this target

    def _check_pace(self) -> None:
        asked, fixed = self._request.day_seconds, self._scenario.day_seconds
        if asked is not None and fixed is not None and asked != fixed:
            self._report(
                ("day_seconds",), f"the scenario is about load and fixes {fixed:g} s a day, not {asked:g}"
            )

    def _check_day(self, arms: Sequence[ArmPlan]) -> None:
        """Whether a day is long enough for the layers, whose constants may be the target's own."""
        each = (short_day(arm.layers, self._spec, self.day_seconds) for arm in arms)
        says = next((says for says in each if says), "")
        if says and self._request.day_seconds is not None:
            raise UsageError(f"--day-seconds {self.day_seconds:g}: {says}")
        if says:
            raise InvalidInput([self._source.problem(("day_seconds",), says)])

    def _check_world(self) -> None:
        known = self._spec.worlds
        if known and self._scenario.world not in known:
            world = self._scenario.world
            self._report(("world",), f"the target has no world {world!r}", nearest(world, known))

    def _check_probes(self) -> None:
        for path, probe, parameters in probe_uses(self._scenario):
            try:
                made = make_probe(probe, parameters, self._spec, self._catalogue)
                check_lengths(made, self.day_seconds)
            except BeyondTarget:
                continue  # the scenario is not run on this target
            except UnknownName as error:
                self._report((*path, "probe"), str(error), error.nearest)
            except MeaninglessChange as error:
                self._report((*path, "with", error.field), str(error), error.nearest)

    def _check_layers(self) -> None:
        expect = self._scenario.expect
        named: list[tuple[Path_, str]] = [
            (("latent", i, "layer"), hole.layer) for i, hole in enumerate(self._scenario.latent)
        ]
        if expect.detected is not None:
            named += [(("expect", "detected", "by", i), name) for i, name in enumerate(expect.detected.by)]
        named += [(("expect", "missed_by", i), name) for i, name in enumerate(expect.missed_by)]
        named += [
            (("decisive", i, j), name)
            for i, together in enumerate(self._scenario.decisive)
            for j, name in enumerate(together)
        ]
        for path, name in named:
            if name not in self._spec.layers:
                near = nearest(name, self._spec.layers)
                self._report(path, f"the target has no layer {name!r}", near)
        for i, hole in enumerate(self._scenario.latent):
            for key, value in hole.set_.items():
                self._check_parameter(("latent", i, "set", key), hole.layer, key, value)

    def _check_alerted(self) -> None:
        alerted, words = self._scenario.expect.alerted, self._spec.alerting
        if alerted is None:
            return
        if words.watchdog and alerted.name == words.watchdog:
            says = f"{alerted.name} is the target's watchdog: it always fires"
            self._report(("expect", "alerted", "name"), says)
        if not words.answers_told and (alerted.acknowledged_within is not None or alerted.unanswered):
            asked = "unanswered" if alerted.unanswered else "acknowledged_within"
            says = "the target's alerts come from Alertmanager, which knows of nobody's answer"
            self._report(("expect", "alerted", asked), says)
        known: dict[str, Iterable[str]] = {
            "category": words.categories,
            "severity": words.severities,
            "routed_to": words.receivers,
            "component": self._spec.components,
        }
        for field_name, value in alerted.wanted.items():
            among = list(known.get(field_name, ()))
            if among and value not in among:
                what = field_name.replace("routed_to", "receiver")
                says = f"the target's alerts have no {what} {value!r}"
                self._report(("expect", "alerted", field_name), says, nearest(value, among))

    def _check_parameter(self, path: Path_, layer: str, key: str, value: object) -> None:
        known = self._spec.layers.get(layer)
        if known is None:
            return
        if key not in known.parameters:
            near = nearest(key, known.parameters)
            self._report(path, f"layer {layer!r} has no parameter {key!r}", near)
        elif (clock := CLOCKS.get(known.parameters[key].type)) and isinstance(value, int | float):
            self._report(path, f"{value!r} says no clock: write {value:g}{clock}")
        else:
            try:
                read = known.parameters[key].read(value)
            except ValueError as error:
                self._report(path, str(error), _nearest_of(error))
                return
            if known.parameters[key].type == "ms" and (
                says := too_long(cast("float", read), self.day_seconds)
            ):
                self._report(path, says)

    def _check_settings(self) -> None:
        for hole in self._request.overrides.holes:
            if hole.layer not in self._spec.layers:
                near = nearest(hole.layer, self._spec.layers)
                raise UsageError(f"--hole {hole.layer}: the target has no such layer{hint(near)}")
            if max(hole.from_ or 0.0, hole.until or 0.0) > self._scenario.days:
                days = f"the run's {self._scenario.days:g} days"
                raise UsageError(f"--hole {hole.layer}@{hole.from_:g}d..{hole.until:g}d: not inside {days}")
        faults = [use.key for use in self._scenario.faults]
        for setting in self._request.overrides.settings:
            text = str(setting)
            if setting.what == "fault":
                if setting.name not in faults:
                    near = nearest(setting.name, faults)
                    raise UsageError(f"{text}: the scenario has no fault {setting.name!r}{hint(near)}")
                continue
            for hole in [*self._scenario.latent, *self._request.overrides.holes]:
                if hole.layer == setting.name and hole.from_ is None and setting.key in hole.keys:
                    raise UsageError(f"{text}: the hole in {hole.layer} sets that for the whole run")
            layers = list(self._spec.layers) if setting.name == "*" else [setting.name]
            for name in layers:
                self._check_layer_setting(text, name, setting.key, setting.scalar)

    def _check_layer_setting(self, text: str, name: str, key: str, value: Scalar) -> None:
        layer = self._spec.layers.get(name)
        if layer is None:
            near = nearest(name, self._spec.layers)
            raise UsageError(f"{text}: the target has no layer {name!r}{hint(near)}")
        if key == "mode":
            if value not in list(Mode):
                near = nearest(str(value), Mode)
                raise UsageError(f"{text}: a mode is off, observe or enforce{hint(near)}")
        elif key not in layer.parameters:
            near = nearest(key, ["mode", *layer.parameters])
            raise UsageError(f"{text}: layer {name!r} has no parameter {key!r}{hint(near)}")
        else:
            try:
                read = layer.parameters[key].read(value)
            except ValueError as error:
                raise UsageError(f"{text}: {error}{hint(_nearest_of(error))}") from error
            if layer.parameters[key].type == "ms" and (
                says := too_long(cast("float", read), self.day_seconds)
            ):
                raise UsageError(f"{text}: {says}")

    def _check_quarrels(self, faults: Sequence[PlannedFault | None]) -> None:
        """What would fight over one undo, in the order in which it is made: holes before faults."""
        claims: list[tuple[Path_, Claim]] = []
        for index, hole in enumerate(self._scenario.latent):
            at: tuple[str, ...] = () if hole.from_ is None else ("from",)
            claims.append((("latent", index, *at), claim_of_hole(hole, self._spec)))
        claims += [
            ((), claim_of_hole(hole, self._spec))
            for hole in self._request.overrides.holes
            if hole.from_ is not None  # one of the whole run is there in place of the scenario's
        ]
        for index, fault in enumerate(faults):
            if fault is not None:
                claims.append((("faults", index, "at"), claim_of_fault(fault, self._catalogue, self._spec)))
        for first, later, says in quarrels([claim for _, claim in claims]):
            if not (claims[first][0] and claims[later][0]):
                raise UsageError(f"--hole: {says}")
            self._report(claims[later][0], says)

    def _report(self, path: Path_, says: str, near: str | None = None) -> None:
        self._problems.append(self._source.problem([part for part in path if part != ""], says, near))


def _nearest_of(error: ValueError) -> str | None:
    return error.nearest if isinstance(error, UnknownWord) else None


def short_day(layers: Mapping[str, PlannedLayer], spec: TargetSpec, day_seconds: float) -> str:
    """The first operational constant of an armed layer that a day is too short for; empty without one."""
    for name, layer in layers.items():
        for key, value in layer.parameters.items() if layer.mode is not Mode.OFF else ():
            of_ms = spec.layers[name].parameters[key].type == "ms"
            if of_ms and (says := too_long(cast("float", value), day_seconds)):
                return f"{key} of layer {name}: {says}"
    return ""


def lasts_of(fault: Fault) -> float | None:
    """How many days a fault lasts by itself; None for one that does not say."""
    return fault.lasts_days if isinstance(fault, SelfTimed) else None


def shortest_seen(check: EffectCheck, probe: Probe) -> float:
    """Days that a fault must last for its probe, first read one interval after the injection, to see it."""
    looks = [math.floor(check.lasting_days / EFFECT_EVERY_DAYS + SAME_DAYS) + 1]
    if isinstance(probe, Patient):
        looks.append(math.floor(probe.lasting_days / EFFECT_EVERY_DAYS + SAME_DAYS) + 2)
    return same_day(EFFECT_EVERY_DAYS * max(looks))


def _timed(hole: Hole, layer: LayerSpec) -> list[PlannedHole]:
    opens, closes = hole.from_ or 0.0, hole.until
    changes = {key: layer.parameters[key].read(value) for key, value in hole.set_.items()}
    if hole.mode is not None:
        changes["mode"] = hole.mode.value
    return [
        PlannedHole(
            layer=hole.layer,
            key=key,
            value=value,
            from_day=same_day(opens),
            until_day=None if closes is None else same_day(closes),
        )
        for key, value in changes.items()
    ]
