"""What the command line changes of a scenario: holes and settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chaos.domain.change import Scalar
from chaos.domain.durations import parse_days
from chaos.domain.layer import Mode
from chaos.domain.scenario import Hole
from chaos.errors import UsageError

_DAYS = r"\d+(?:\.\d+)?[dh]"
_HOLE = re.compile(rf"^(?P<layer>[a-z0-9_]+)(@(?P<from>{_DAYS})\.\.(?P<until>{_DAYS}))?$")
_SET = re.compile(r"^(?P<what>layer|fault)\.(?P<name>[a-z0-9_*]+)\.(?P<key>[a-z0-9_]+)=(?P<value>.*)$")


@dataclass(frozen=True)
class Setting:
    """One `--set`: a parameter of a layer (`*`: of all) or of a fault. `value` is the text as given."""

    what: str
    name: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"--set {self.what}.{self.name}.{self.key}={self.value}"

    @property
    def scalar(self) -> str | int | float | bool:
        """The value as a boolean, a number or text."""
        lowered = self.value.lower()
        if lowered in ("true", "false"):
            return lowered == "true"
        for read in (int, float):
            try:
                return read(self.value)
            except ValueError:
                continue
        return self.value

    def for_fault(self, types: Mapping[str, type]) -> Scalar:
        """The value for a fault, of whose parameters `types` are text, or lists of it with commas between.

        Text stays text, even where it looks like a number. Names carry the clock: a bare number of `…_days`
        or `…_ms` is one.
        """
        if types.get(self.key) is str:
            return self.value
        if types.get(self.key) is list:
            return [word for word in map(str.strip, self.value.split(",")) if word]
        value = self.scalar
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.key.endswith("_days"):
                return f"{self.value}d"
            if self.key.endswith("_ms"):
                return f"{self.value}ms"
        return value


@dataclass(frozen=True)
class Overrides:
    """All of them."""

    holes: tuple[Hole, ...] = ()
    settings: tuple[Setting, ...] = ()


def parse_overrides(holes: Iterable[str], settings: Iterable[str]) -> Overrides:
    """From `--hole freshness@5d..8d` and `--set layer.freshness.warn_days=1`. Raises UsageError."""
    found = Overrides(tuple(map(_hole, holes)), tuple(map(_setting, settings)))
    places = [(one.what, one.name, one.key) for one in found.settings]
    for place in places:
        if places.count(place) > 1:
            raise UsageError(f"--set {'.'.join(place)} is given twice")
    return found


def _hole(text: str) -> Hole:
    match = _HOLE.match(text)
    if match is None:
        raise UsageError(f"--hole {text}: write a layer, or a layer and its days, as in freshness@5d..8d")
    if match["from"] and parse_days(match["until"]) <= parse_days(match["from"]):
        raise UsageError(f"--hole {text}: a hole must close after it opens")
    fields = {"layer": match["layer"], "mode": Mode.OFF, "from": match["from"], "until": match["until"]}
    return Hole.model_validate({key: value for key, value in fields.items() if value is not None})


def _setting(text: str) -> Setting:
    match = _SET.match(text)
    if match is None:
        raise UsageError(f"--set {text}: write layer.NAME.PARAMETER=VALUE or fault.NAME.PARAMETER=VALUE")
    return Setting(match["what"], match["name"], match["key"], match["value"])
