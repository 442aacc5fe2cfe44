"""What a component says of itself: metrics, and JSON log lines stamped with the day.

A log line is one JSON object with `event`, `day`, `component` and the event's own fields. These events are a
contract with whoever watches the stack; everything else in a log is for people:

    signal     {layer, signal: reached|fired|would_have_acted|acted|cleared, mode, says}
    alert      {id, name, category, severity, routed_to, about, layer, state: firing|resolved, sent_day,
                acknowledged_day|null}
    action     {by, action, says}
    views      {start_day, end_day, rows: [{version, build, replica, segment, n, abandoned, errors, slow,
                fallback, defaulted, served_value, best_value}]}
    partition  {partition_day, rows, sha256, state: written|delivered|quarantined|purged|absent}
    source     {source, from_day, state: left_out|trusted}
    snapshot   {snapshot, watermark_day, partitions: [{partition_day, rows, sha256}], due: [partition_day]}
    version    {version, run, snapshot, trained_day, partitions: [...], due: [...], metrics}
    alias      {alias, version|null, previous|null, by}
    lag        {lag_days, over_days}

One more is for `python -m reference_stack fit`, and said live only: `times` (`shells/tracing.py`).
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Callable

import msgspec

from reference_stack.ports import PortError, Runtime

_encoder = msgspec.json.Encoder(order="deterministic")


class Metrics:
    """Counters and gauges by name and labels, rendered in Prometheus' text format.

    Kept small because the monitor reads every component 24 times a simulated day, also in virtual time.
    """

    def __init__(self) -> None:
        self.values: defaultdict[str, float] = defaultdict(float)
        """By key, as in the text format. What happens with every view is counted here, without a call."""

    def add(self, name: str, amount: float = 1.0, **labels: str | int) -> None:
        """Count up."""
        if labels:
            name = sample_key(name, labels)
        self.values[name] += amount

    def set(self, name: str, value: float, **labels: str | int) -> None:
        """Set a gauge."""
        self.values[sample_key(name, labels) if labels else name] = value

    def samples(self) -> dict[str, float]:
        """A copy of all values, keys as in the text format."""
        return dict(self.values)

    def render(self) -> str:
        """The text of /metrics."""
        return "".join(f"{key} {_text(value)}\n" for key, value in sorted(self.values.items()))


def _text(value: float) -> str:
    """Six digits, but all of a whole number: a counter that is rounded stands still, and then jumps."""
    whole = 1e6 <= abs(value) < 2.0**53 and float(value).is_integer()
    return f"{value:.0f}" if whole else f"{value:g}"


def sample_key(name: str, labels: dict[str, str | int]) -> str:
    """`name{label="value",…}` with labels in order of their names."""
    inner = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inner}}}"


class Telemetry:
    """One component's voice."""

    def __init__(self, component: str, runtime: Runtime, sink: Callable[[str], None]) -> None:
        self.component = component
        self.metrics = Metrics()
        self.gauges: dict[str, Callable[[], float]] = {}
        """What is read when it is asked for, by name."""
        self._runtime = runtime
        self._sink = sink

    def render(self) -> str:
        """The text of /metrics, with this component's own calendar."""
        self.metrics.set("calendar_day", self._runtime.day())
        for name, read in self.gauges.items():
            self.metrics.set(name, read())
        return self.metrics.render()

    def log(self, event: str, **fields: object) -> None:
        """Write one JSON line stamped with the day."""
        line = {"event": event, "day": round(self._runtime.day(), 4), "component": self.component, **fields}
        self._sink(_encoder.encode(line).decode())


def report(telemetry: Telemetry, where: str, error: BaseException) -> None:
    """Write what broke to a component's log: the whole story, but only a line for a call that failed."""
    story = "" if isinstance(error, PortError) else "".join(traceback.format_exception(error))
    telemetry.metrics.add("errors_total")
    telemetry.log("error", where=where, kind=type(error).__name__, says=str(error), story=story)
