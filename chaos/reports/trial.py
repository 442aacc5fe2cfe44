"""The answer of one trial, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from chaos.domain.layer import Mode, Outcome
from chaos.domain.scenario import QUALITY_NOISE, Arm, Harm
from chaos.domain.verdict import (
    AlertResult,
    FaultResult,
    LayerResult,
    LoopResult,
    Results,
    ServiceLevel,
    TrialResult,
)
from chaos.reports.pieces import (
    NAME_COLUMNS,
    amount,
    detection_measured,
    not_recovered,
    not_run,
    pair,
    paths,
    reasons_of,
    title,
)
from chaos.reports.timeline import alert_name

OUTCOME_STYLE = {
    Outcome.PREVENTED: "green",
    Outcome.CONTAINED: "green",
    Outcome.DETECTED: "green",
    Outcome.MISSED: "red",
    Outcome.NOT_ARMED: "red",
    Outcome.NOT_REACHED: "dim",
}
_LAYER_COLUMNS = 24
LONG = 1000
"""Where there is no room for a second line: the first is cut."""
DULL = (Outcome.NOT_REACHED, None)


def one_trial(results: Results, trial: TrialResult, folder: Path, width: int, room: int) -> Iterator[Text]:
    """The lines; `room` counts the steps by which its tables are cut."""
    pace = f"{trial.day_seconds or results.day_seconds:g} s"
    into = f" · into {trial.into}" if trial.into else ""
    again = f" · try {trial.tries}" if trial.tries > 1 else ""
    name = f"{trial.scenario} · seed {trial.seed}{again}"
    says = f"{name} · {results.target}{into} · {trial.days:g} days of {pace}"
    yield title(results.verdict if results.unfinished else trial.verdict, says)
    if trial.interrupted:
        yield Text("interrupted: what follows is what the journals hold", style="yellow")
    yield Text("")
    yield from reasons_of(trial.reasons, width, 3 if room < 2 else 2 if room < 4 else 1)
    yield Text("")
    for fault in trial.faults:
        yield from _fault(trial, fault)
    if trial.loop is not None:
        yield pair("latency loop", _loop(trial.loop))
    if trial.not_armed:
        yield pair("not armed", ", ".join(trial.not_armed), "red")
    yield Text("")
    yield from _layers(trial.layers, width, room)
    yield Text("")
    yield from _service_levels(trial.service_levels)
    for says in trial.not_measured:
        yield from (Text(line, style="dim") for line in textwrap.wrap(says, width))
    yield from _harm(trial, (9, 6, 5, 4, 2, 2)[room])
    yield from _integrity(trial, (4, 3, 2, 1, 1, 1)[room])
    yield from _alerts(trial.alerts, (4, 3, 2, 1, 1, 1)[room], width if room < 3 else LONG)
    yield from paths(folder, trial)
    yield from not_run(results)


def _fault(trial: TrialResult, fault: FaultResult) -> Iterator[Text]:
    name = f"{fault.fault}: " if len(trial.faults) > 1 else ""
    if fault.detection is None and not detection_measured(trial, fault):
        yield pair("first detection", f"{name}not measured", "dim")
    elif fault.detection is None:
        yield pair("first detection", f"{name}none", "red")
    else:
        found = fault.detection
        since = "injection (it was prevented)" if fault.prevented else "verified effect"
        expected = "" if found.expected else ", which nobody expected"
        says = (
            f"{name}{found.layer}{expected}, day {found.day:.2f}: {found.delay_days:.2f} d after the {since}"
        )
        yield pair("first detection", says, "green" if found.expected else "yellow")
    if fault.containment is not None:
        held = fault.containment
        by = f", by {', '.join(held.by)}" if held.by else ", by no layer"
        yield pair("containment", f"{name}{held.ratio:.2f} of {held.of.value}{by}")
    else:
        yield pair("containment", f"{name}not measured", "dim")
    if fault.recovery is None:
        says, style = ("none", "red") if not_recovered(trial) else ("none measured", "dim")
        yield pair("recovery", f"{name}{says}", style)
    else:
        back = fault.recovery
        yield pair("recovery", f"{name}day {back.day:.2f}: {back.delay_days:.2f} d after the undo")


def _loop(loop: LoopResult) -> str:
    def told(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    return (
        f"gain {told(loop.gain)}; without layers users {told(loop.users_at_end)}, quality "
        f"{told(loop.quality_at_end)}; a week after {told(loop.users_week_after)}, "
        f"{told(loop.quality_week_after)}"
    )


def _cut_to(name: str, columns: int) -> str:
    return name if len(name) <= columns else f"{name[: columns - 1]}…"


def _layers(layers: Sequence[LayerResult], width: int, room: int) -> Iterator[Text]:
    if not layers:
        return
    shown = [row for row in layers if _telling(row)]
    if room < 1 and len(layers) <= 10:
        shown = list(layers)
    if room > 4:  # a target with many layers: those that said nothing, and nobody waited for, in one sentence
        shown = [row for row in shown if row.outcome is not Outcome.MISSED or _spoke(row)]
    wide = 1 + max(13, *(min(len(row.layer), _LAYER_COLUMNS) for row in shown)) if shown else 14
    head = f"{'layer':<{wide}}{'mode':<9}{'outcome':<13}{'fired':>8}{'acted':>8}  {'false alarms':>12}"
    yield Text(head, style="dim")
    for row in shown:
        outcome = row.outcome.value if row.outcome is not None else "-"
        acted = row.first_acted_day
        line = Text(f"{_cut_to(row.layer, wide - 1):<{wide}}{row.mode.value:<9}")
        line.append(f"{outcome:<13}", style=_outcome_style(row))
        line.append(f"{_day(row.first_fired_day):>8}{_day(acted):>8}  ")
        alarms = "-" if row.false_alarms is None else str(row.false_alarms)
        line.append(f"{alarms:>12}", style="red" if row.false_alarms else "")
        if row.would_have_acted_day is not None:
            line.append(f"  would have acted on day {row.would_have_acted_day:.2f}", style="yellow")
        elif "detect" in row.expected:
            line.append("  expected", style="dim")
        yield line
    rest = [row for row in layers if row not in shown]
    for each in dict.fromkeys(row.outcome for row in rest):
        names = ", ".join(row.layer for row in rest if row.outcome is each)
        says = f"{each.value if each else 'said nothing'}: {names}"
        yield from (Text(line, style="dim") for line in textwrap.wrap(says, width if room < 3 else LONG))


def _outcome_style(row: LayerResult) -> str:
    """A miss is alarming only where the scenario counted on the layer."""
    if row.outcome is Outcome.MISSED and not row.expected:
        return "dim"
    return OUTCOME_STYLE[row.outcome] if row.outcome is not None else "dim"


def _telling(row: LayerResult) -> bool:
    off = row.mode is Mode.OFF and not row.expected
    return _spoke(row) or (row.outcome not in DULL and not off)


def _spoke(row: LayerResult) -> bool:
    """Whether it said anything, or was expected to."""
    days = (row.first_fired_day, row.first_acted_day, row.would_have_acted_day)
    return any(day is not None for day in days) or bool(row.false_alarms) or bool(row.expected)


def _day(day: float | None) -> str:
    return "-" if day is None else f"{day:.2f}"


def _harm(trial: TrialResult, most: int) -> Iterator[Text]:
    arms = [arm for arm in Arm if arm in trial.harm.by_arm]
    if not arms:
        return
    yield Text(
        f"{'harm':<18}" + "".join(f"{arm.value:>12}" for arm in arms) + "   worst segment", style="dim"
    )
    kinds = [k for k in Harm if any(trial.harm[arm].get(k) for arm in arms)]
    for kind in kinds[:most]:
        line = Text(f"{kind.value:<18}")
        for arm in arms:
            line.append(f"{amount(trial.harm[arm].get(kind), kind):>12}")
        worst = trial.harm.worst_segment.get(kind)
        if worst is not None:
            line.append(f"   {worst.segment}: {amount(worst.value, kind)}", style="dim")
        if kind is Harm.QUALITY_PCT_DAYS:
            line.append(f"   noise ± {QUALITY_NOISE:g} on one seed", style="dim")
        yield line
    if more := kinds[most:]:
        yield Text(f"also, in the report: {', '.join(kind.value for kind in more)}", style="dim")
    # What one arm has not measured is not said to be none.
    unknown = [
        k.value for k in Harm if k not in kinds and any(trial.harm[arm].get(k) is None for arm in arms)
    ]
    none = [k.value for k in Harm if k not in kinds and k.value not in unknown]
    for names in textwrap.wrap(f"none: {', '.join(none)}", 96) if none else []:
        yield Text(names, style="dim")
    if unknown:
        yield Text(f"not measured: {', '.join(unknown)}", style="dim")


def _integrity(trial: TrialResult, most: int) -> Iterator[Text]:
    """Broken requirements of data links in the defended arm, or in the first that was run."""
    arm = Arm.DEFENDED if Arm.DEFENDED in trial.integrity else next(iter(trial.integrity), Arm.DEFENDED)
    found = trial.integrity.get(arm) or []
    for nth, broken in enumerate(found[:most], start=1):
        name = f"integrity ({nth}/{len(found)})" if len(found) > 1 else "integrity"
        yield pair(name, broken.says, "" if broken.objected else "yellow")


def _service_levels(levels: Sequence[ServiceLevel]) -> Iterator[Text]:
    if not levels:
        return
    head = f"{'views':<8}{'days':>16}{'n':>9}{'good':>9}{'errors':>9}{'slow':>9}{'fallback':>10}"
    yield Text(head, style="dim")
    for level in levels:
        days = f"{level.from_day:.2f} to {level.to_day:.2f}"
        shares = (level.good_share, level.error_share, level.slow_share, level.fallback_share)
        told = ["-" if share is None else f"{share:.1%}" for share in shares]
        yield Text(
            f"{level.when:<8}{days:>16}{level.views:>9,}{told[0]:>9}{told[1]:>9}{told[2]:>9}{told[3]:>10}"
        )


def _alerts(alerts: Sequence[AlertResult], most: int, width: int) -> Iterator[Text]:
    mine = [alert for alert in alerts if alert.arm is Arm.DEFENDED]
    more = f"and {len(mine) - most} more" if len(mine) > most else ""
    for alert in mine[:most]:
        says = alert_name(alert.name, alert.about) + (f" ({alert.severity})" if alert.severity else "")
        says += f" to {alert.routed_to} on day {alert.sent_day:.2f}"
        unanswered = alert.acknowledged_day is None and alert.answer_told
        if alert.acknowledged_day is not None:
            says += f", acknowledged {alert.acknowledged_day:.2f}"
        elif unanswered:
            says += ", nobody answered"
        head = f"alert (1/{len(mine)})" if more and most == 1 else "alert"  # no line for the rest by then
        for nth, line in enumerate(textwrap.wrap(says, width - NAME_COLUMNS)):
            yield pair("" if nth else head, line, "yellow" if unanswered else "")
    if more and most > 1:
        yield pair("", more, "dim")
