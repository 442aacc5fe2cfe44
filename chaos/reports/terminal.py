"""The answer in one screen: at most 45 lines of at most 100 columns."""

from __future__ import annotations

import os
import shlex
import statistics
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from chaos.domain.interval import share_interval
from chaos.domain.layer import Mode, Outcome
from chaos.domain.scenario import Arm, Harm, Kind
from chaos.domain.verdict import (
    AlertResult,
    FaultResult,
    LayerResult,
    LoopResult,
    Reason,
    Results,
    ServiceLevel,
    TrialResult,
    Verdict,
    combine,
)

LINES = 45
STYLE = {Verdict.PASSED: "bold green", Verdict.FAILED: "bold red", Verdict.VOID: "bold yellow"}
FEW_SEEDS = 8
"""So many of those that did not pass are named in a line."""
OUTCOME_STYLE = {
    Outcome.PREVENTED: "green",
    Outcome.CONTAINED: "green",
    Outcome.DETECTED: "green",
    Outcome.MISSED: "red",
    Outcome.NOT_ARMED: "red",
    Outcome.NOT_REACHED: "dim",
}
_LAYER_COLUMNS = 24
DULL = (Outcome.NOT_REACHED, None)


def answer(results: Results, folder: Path, width: int = 100) -> list[Text]:
    """The lines to print; `folder` is where report.html lies."""
    # Less room for the tables, in steps, until everything fits.
    found: list[Text] = []
    for room in range(5):
        found = list(_lines(results, folder, width, room))
        if len(found) <= LINES:
            break
    return [_cut(line, width) for line in found[:LINES]]


def _lines(results: Results, folder: Path, width: int, room: int) -> Iterator[Text]:
    if len(results.trials) == 1:
        return _one(results, results.trials[0], folder, width, room)
    return _many(results, folder, width, room)


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line


def title(verdict: Verdict, says: str) -> Text:
    """A verdict and what it is about."""
    text = Text.assemble((f" {verdict.value.upper()} ", f"{STYLE[verdict]} reverse"), "  ", (says, "bold"))
    return text


# --- one trial -------------------------------------------------------------------------------------------


def _one(results: Results, trial: TrialResult, folder: Path, width: int, room: int) -> Iterator[Text]:
    pace = f"{trial.day_seconds or results.day_seconds:g} s"
    into = f" · into {trial.into}" if trial.into else ""
    again = f" · try {trial.tries}" if trial.tries > 1 else ""
    name = f"{trial.scenario} · seed {trial.seed}{again}"
    says = f"{name} · {results.target}{into} · {trial.days:g} days of {pace}"
    yield title(results.verdict if results.unfinished else trial.verdict, says)
    if trial.interrupted:
        yield Text("interrupted: what follows is what the journals hold", style="yellow")
    yield Text("")
    yield from _reasons(trial.reasons, width, 3 if room < 2 else 2 if room < 4 else 1)
    yield Text("")
    for fault in trial.faults:
        yield from _fault(trial, fault)
    if trial.loop is not None:
        yield _pair("latency loop", _loop(trial.loop))
    if trial.not_armed:
        yield _pair("not armed", ", ".join(trial.not_armed), "red")
    yield Text("")
    yield from _layers(trial.layers, dull=room < 1)
    yield Text("")
    yield from _service_levels(trial.service_levels)
    for says in trial.not_measured:
        yield from (Text(line, style="dim") for line in textwrap.wrap(says, width))
    yield from _harm(trial, (9, 6, 5, 4, 2)[room])
    yield from _alerts(trial.alerts, (4, 3, 2, 1, 1)[room])
    yield from paths(folder, trial)
    yield from not_run(results)


def _pair(name: str, says: str, style: str = "") -> Text:
    return Text.assemble((f"{name:<17}", "dim"), (says, style))


def _reasons(reasons: Sequence[Reason], width: int, most: int) -> Iterator[Text]:
    broken = [r for r in reasons if r.verdict is Verdict.VOID and r.about.startswith("arm ")]
    for reason in broken:
        yield from _reason(reason, width, most + 1)
    rest = [r for r in reasons if r not in broken]
    for_that = [r for r in rest if r.verdict is Verdict.VOID and any(arm.says in r.says for arm in broken)]
    if for_that:
        names = ", ".join(r.about for r in for_that)
        yield from _reason(Reason(verdict=Verdict.VOID, about="not measured for that", says=names), width, 4)
    kept = [r for r in rest if r.verdict is Verdict.PASSED and r.about.startswith("budget ")]
    if len(kept) > 1:
        names = ", ".join(one.about.removeprefix("budget ") for one in kept)
        rest[rest.index(kept[0])] = Reason(verdict=Verdict.PASSED, about="budgets", says=f"kept: {names}")
    for reason in sorted(rest, key=lambda r: r.verdict is Verdict.PASSED):
        if reason not in for_that and not (len(kept) > 1 and reason in kept):
            lines = max(1, most - 1) if reason.verdict is Verdict.PASSED else most
            yield from _reason(reason, width, lines)


def _reason(reason: Reason, width: int, most: int) -> Iterator[Text]:
    first, *rest = textwrap.wrap(reason.says, max(20, width - 33)) or [""]
    if len(rest) >= most:
        rest = [*rest[: most - 1]]
        if rest:
            rest[-1] += " …"
        else:
            first += " …"
    style = STYLE[reason.verdict]
    yield Text.assemble((f"{reason.verdict.value:<7}", style), f" {reason.about[:24]:<24} ", first)
    for line in rest:
        yield Text(" " * 33 + line)


def detection_measured(trial: TrialResult) -> bool:
    """Whether it is known who saw the faults, or that nobody did."""
    measured = trial.harm.by_arm.get(Arm.DEFENDED, {}).get(Harm.UNDETECTED_DAYS) is not None
    return measured or bool(trial.into)


def detections(trials: Sequence[TrialResult]) -> tuple[list[float], int]:
    """Delays of the faults that were detected, in days, and how many were not: a quiet scenario's changes are
    none, and where it was not measured nothing is known.
    """
    faults = [(trial, fault) for trial in trials for fault in trial.faults]
    delays = [fault.detection.delay_days for _, fault in faults if fault.detection is not None]
    missed = [
        fault
        for trial, fault in faults
        if fault.detection is None and trial.kind is not Kind.QUIET and detection_measured(trial)
    ]
    return delays, len(missed)


def not_recovered(trial: TrialResult) -> bool:
    """Whether it is known that the steady state did not come back, which is no lack of a measurement."""
    about = ("recovered", "steady state after")
    return any(one.verdict is Verdict.FAILED and one.about.startswith(about) for one in trial.reasons)


def _fault(trial: TrialResult, fault: FaultResult) -> Iterator[Text]:
    name = f"{fault.fault}: " if len(trial.faults) > 1 else ""
    if fault.detection is None and not detection_measured(trial):
        yield _pair("first detection", f"{name}not measured", "dim")
    elif fault.detection is None:
        yield _pair("first detection", f"{name}none", "red")
    else:
        found = fault.detection
        since = "injection (it was prevented)" if fault.prevented else "verified effect"
        expected = "" if found.expected else ", which nobody expected"
        says = (
            f"{name}{found.layer}{expected}, day {found.day:.2f}: {found.delay_days:.2f} d after the {since}"
        )
        yield _pair("first detection", says, "green" if found.expected else "yellow")
    if fault.containment is not None:
        held = fault.containment
        by = f", by {', '.join(held.by)}" if held.by else ", by no layer"
        yield _pair("containment", f"{name}{held.ratio:.2f} of {held.of.value}{by}")
    else:
        yield _pair("containment", f"{name}not measured", "dim")
    if fault.recovery is None:
        says, style = ("none", "red") if not_recovered(trial) else ("none measured", "dim")
        yield _pair("recovery", f"{name}{says}", style)
    else:
        back = fault.recovery
        yield _pair("recovery", f"{name}day {back.day:.2f}: {back.delay_days:.2f} d after the undo")


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


def _layers(layers: Sequence[LayerResult], *, dull: bool) -> Iterator[Text]:
    if not layers:
        return
    shown = [row for row in layers if _telling(row)]
    if dull and len(layers) <= 10:
        shown = list(layers)
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
        yield Text(f"{each.value if each else 'nothing to do'}: {names}", style="dim")


def _outcome_style(row: LayerResult) -> str:
    """A miss is alarming only where the scenario counted on the layer."""
    if row.outcome is Outcome.MISSED and not row.expected:
        return "dim"
    return OUTCOME_STYLE[row.outcome] if row.outcome is not None else "dim"


def _telling(row: LayerResult) -> bool:
    off = row.mode is Mode.OFF and not row.expected
    spoke = row.would_have_acted_day is not None or bool(row.false_alarms) or bool(row.expected)
    return spoke or (row.outcome not in DULL and not off)


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
            line.append("   noise ± 22 on one seed", style="dim")
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


def amount(value: float | None, kind: Harm) -> str:
    """A harm for people: `-` where it was not measured, counts whole, days with one decimal."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if kind.value.endswith("_days") else f"{value:,.0f}"


def _alerts(alerts: Sequence[AlertResult], most: int) -> Iterator[Text]:
    mine = [alert for alert in alerts if alert.arm is Arm.DEFENDED]
    for alert in mine[:most]:
        answered = (
            "nobody answered"
            if alert.acknowledged_day is None
            else f"acknowledged on day {alert.acknowledged_day:.2f}"
        )
        says = f"{alert.name} ({alert.severity}) to {alert.routed_to} on day {alert.sent_day:.2f}, {answered}"
        yield _pair("alert", says, "" if alert.acknowledged_day is not None else "yellow")
    if len(mine) > most:
        yield _pair("", f"and {len(mine) - most} more", "dim")


def paths(folder: Path, trial: TrialResult | None) -> Iterator[Text]:
    """Where the report and the journal lie."""
    yield _pair("report", _short(folder / "report.html"), "bold")
    if trial is not None and trial.arms:
        yield _pair("journal", _short(folder / trial.arms[0].journal))


def _short(path: Path) -> str:
    """Relative to where the user stands, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def not_run(results: Results) -> Iterator[Text]:
    """What was left out, and why; and what has not ended."""
    if results.unfinished:
        first, more = results.unfinished[0], len(results.unfinished) - 1
        others = f" and {more} more trial{'' if more == 1 else 's'}" if more else ""
        says = f"{first.scenario}, seed {first.seed}{others}: without them the run has not passed"
        yield _pair("not ended", says, "yellow")
    for lacking in results.not_run:
        yield _pair("not run", f"{lacking.scenario}: {lacking.why}", "dim")


# --- several trials --------------------------------------------------------------------------------------


def _many(results: Results, folder: Path, width: int, room: int) -> Iterator[Text]:
    names = list(dict.fromkeys(trial.scenario for trial in results.trials))
    says = f"{len(results.trials)} trials of {len(names)} scenario{'' if len(names) == 1 else 's'}"
    yield title(results.verdict, f"{says} · {results.target} · days of {results.day_seconds:g} s")
    yield Text("")
    for name in names:
        yield from _summary(name, [trial for trial in results.trials if trial.scenario == name], width)
    yield Text("")
    most = (24, 16, 10, 6, 3)[room]
    head = f"{'scenario':<28}{'seed':>5}  {'verdict':<9}{'first detection':<22}{'delay':>7}{'contained':>11}"
    yield Text(head, style="dim")
    ordered = sorted(results.trials, key=lambda trial: trial.verdict is Verdict.PASSED)
    for trial in ordered[:most]:
        yield _row(trial)
    if len(ordered) > most:
        left = combine(trial.verdict for trial in ordered[most:])
        yield Text(f"and {len(ordered) - most} more in the report, {left.value} at worst", style="dim")
    yield Text("")
    bad = sorted(
        (trial for trial in results.trials if trial.verdict is not Verdict.PASSED),
        key=lambda trial: trial.verdict is Verdict.VOID,
    )
    told = (4, 3, 2, 2, 1)[room]
    for trial in bad[:told]:
        decisive = [reason for reason in trial.reasons if reason.verdict is trial.verdict]
        yield Text(f"{trial.scenario}, seed {trial.seed}", style="bold")
        yield from _reasons(decisive[:2], width, 2)
        yield _pair("repeat it", shlex.join(results.repeat(trial)))
    yield from others(bad[told:])
    yield from paths(folder, None)
    yield from not_run(results)


def others(bad: Sequence[TrialResult]) -> Iterator[Text]:
    """The seeds of trials that did not pass and were not told: they are repeated by the same command."""
    for name in dict.fromkeys(trial.scenario for trial in bad):
        for verdict in (Verdict.FAILED, Verdict.VOID):
            seeds = [trial.seed for trial in bad if trial.scenario == name and trial.verdict is verdict]
            if seeds:
                more = f" and {len(seeds) - FEW_SEEDS} more" if len(seeds) > FEW_SEEDS else ""
                first = ", ".join(map(str, seeds[:FEW_SEEDS]))
                yield _pair(verdict.value, f"{name}, too, with --seed {first}{more}")


def _summary(name: str, trials: Sequence[TrialResult], width: int) -> Iterator[Text]:
    counts = ", ".join(
        f"{sum(1 for trial in trials if trial.verdict is verdict)} {verdict.value}"
        for verdict in Verdict
        if any(trial.verdict is verdict for trial in trials)
    )
    delays, missed = detections(trials)
    ratios = [f.containment.ratio for t in trials for f in t.faults if f.containment is not None]
    says = f"{counts} of {len(trials)}"
    told = [trial.verdict for trial in trials if trial.verdict is not Verdict.VOID]
    if len(told) > 1:
        low, high = share_interval(told.count(Verdict.PASSED), len(told))
        says += f" (share that passes: {low:.2f} to {high:.2f}, 95% interval)"
    if delays:
        says += f"; detected after {statistics.median(delays):.2f} d (at most {max(delays):.2f})"
    if missed:
        says += f", not detected {missed} times"
    if ratios:
        says += f"; contained {min(ratios):.2f} at least"
    first, *rest = textwrap.wrap(says, max(20, width - 30))
    yield Text.assemble((f"{name[:27]:<28}", "bold"), first)
    for line in rest:
        yield Text(" " * 28 + line)


def _row(trial: TrialResult) -> Text:
    found = next((fault.detection for fault in trial.faults if fault.detection is not None), None)
    held = next((fault.containment for fault in trial.faults if fault.containment is not None), None)
    seen = "-" if found is None else f"{found.layer}, day {found.day:.2f}"
    line = Text(f"{trial.scenario[:27]:<28}{trial.seed:>5}  ")
    line.append(f"{trial.verdict.value:<9}", style=STYLE[trial.verdict])
    line.append(f"{seen:<22}{'-' if found is None else f'{found.delay_days:.2f}':>7}")
    line.append(f"{'-' if held is None else f'{held.ratio:.2f}':>11}")
    return line
