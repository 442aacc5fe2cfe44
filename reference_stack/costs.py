"""What messages, answers and work cost in virtual time, where no code takes any time of its own.

Live they cost what they cost. The values in `costs.json` were fitted from live runs by
`python -m reference_stack fit` (docs/virtual-time.md), which writes that file.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

FILE = Path(__file__).with_name("costs.json")


class Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way over a link, operational: `way_ms` plus an exponential delay with mean `jitter_ms`."""

    way_ms: float = 0.25
    jitter_ms: float = 0.05


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`way` is any link's that `ways` does not name. `handling_ms`: what an answer takes beyond the shell's
    service time and what its handler waits for, by `component.operation`, the replicas being one `serving`.
    `work_ms`: blocking work, by `component.what`. `fitted` says from what.
    """

    fitted: str = ""
    way: Way = Way()
    ways: dict[str, Way] = {}
    handling_ms: dict[str, float] = {}
    work_ms: dict[str, float] = {}

    def way_of(self, link: str) -> Way:
        """One way over a link."""
        return self.ways.get(link, self.way)

    def handling_of(self, component: str) -> dict[str, float]:
        """Milliseconds for each operation of a component that is named."""
        prefix = f"{kind_of(component)}."
        return {
            name.removeprefix(prefix): cost
            for name, cost in self.handling_ms.items()
            if name.startswith(prefix)
        }

    def of_work(self, what: str) -> float:
        """Milliseconds of blocking work. Raises KeyError for work that nobody measured."""
        if what not in self.work_ms:
            raise KeyError(f"costs.work_ms has no {what!r}; there are {', '.join(sorted(self.work_ms))}")
        return self.work_ms[what]


def kind_of(component: str) -> str:
    """`serving` for a replica of it, else the component itself."""
    return component.partition("-")[0]


def fitted_costs() -> Costs:
    """The costs that come with the stack."""
    return msgspec.json.decode(FILE.read_bytes(), type=Costs)
