"""What the monitor knows: the newest samples of each component and the growth of the counters it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reference_stack.monitor.set_back import earlier
from reference_stack.monitor.slo import Trail

Counter = tuple[str, str]
"""Component and metric; where it has labels their sum counts."""


class Board:
    """The newest scrape of each component; `counters` are those whose growth is kept."""

    def __init__(self, counters: Iterable[Counter], started_day: float) -> None:
        self._samples: dict[str, Mapping[str, float]] = {}
        self._labels: dict[str, dict[tuple[str, str], list[tuple[str, str]]]] = {}
        """By component and (metric, label): each value of the label, with the sample's key."""
        self._labelled: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        """The same of all components, by (metric, label): component, value and key."""
        self._trails: dict[Counter, Trail] = {counter: Trail() for counter in counters}
        self._grew_day: dict[Counter, float] = dict.fromkeys(self._trails, started_day)
        self._counted: dict[str, list[tuple[Counter, list[str]]]] = {}
        """By component: its counters, each with the keys of its samples."""

    def take(self, component: str, samples: Mapping[str, float], day: float) -> None:
        """Note a scrape."""
        self.show(component, samples)
        for counter, keys in self._counted[component]:
            # A counter that is not there has not counted anything yet.
            if self._trails[counter].take(day, sum([samples[key] for key in keys])):
                self._grew_day[counter] = day

    def show(self, component: str, samples: Mapping[str, float]) -> None:
        """Note samples of which no growth is kept."""
        before = self._samples.get(component)
        # A component has the same metrics from one scrape to the next, nearly always.
        if before is None or before.keys() != samples.keys():
            self._counted[component] = [
                (counter, _keys_of(samples, counter[1]))
                for counter in self._trails
                if counter[0] == component
            ]
            self._labels[component] = _by_label(samples)
            self._labelled.clear()
            for of, found in self._labels.items():
                for name, pairs in found.items():
                    self._labelled.setdefault(name, []).extend((of, *pair) for pair in pairs)
        self._samples[component] = samples

    def set_back(self, day: float, back_days: float) -> None:
        """The calendar has been set back to `day`."""
        for trail in self._trails.values():
            trail.set_back(day, back_days)
        self._grew_day = {counter: earlier(of, day, back_days) for counter, of in self._grew_day.items()}

    def value(self, component: str, metric: str) -> float | None:
        """A gauge without labels, or None where it is absent."""
        return self._samples.get(component, {}).get(metric)

    def trail(self, component: str, metric: str) -> Trail:
        """The growth of one of `counters`."""
        return self._trails[component, metric]

    def grew_day(self, component: str, metric: str) -> float:
        """When a counter was last seen to grow, or when the watch began."""
        return self._grew_day[component, metric]

    def labelled(self, metric: str, label: str) -> Iterator[tuple[str, str, float]]:
        """(component, label's value, value) of a gauge with that one label, on all components."""
        for component, value, key in self._labelled.get((metric, label), ()):
            yield component, value, self._samples[component][key]


def _by_label(samples: Mapping[str, float]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key in samples:
        metric, _, labels = key.partition("{")
        label, _, value = labels.partition('="')
        if value:
            found.setdefault((metric, label), []).append((value[:-2], key))
    return found


def _keys_of(samples: Mapping[str, float], metric: str) -> list[str]:
    """The key of a metric, or those of all that it has with labels; none where it is absent."""
    return [metric] if metric in samples else [key for key in samples if key.startswith(metric + "{")]
