"""Who is told of an alert, by its category and severity, read from a YAML file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from reference_stack.alerting import CATEGORIES, SEVERITIES, refuse_unknown
from reference_stack.settings import read_file

DEFAULT = Path(__file__).with_name("routing.yaml")


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Alerts of a category and a severity go `to` a receiver; None fits any."""

    to: str
    category: str | None = None
    severity: str | None = None


class Routing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Routes in the order in which they are tried."""

    default: str
    routes: tuple[Route, ...] = ()

    def receiver(self, category: str, severity: str) -> str:
        """The receiver of the first route that fits, else the default."""
        for route in self.routes:
            if route.category in (None, category) and route.severity in (None, severity):
                return route.to
        return self.default


def read_routing(path: str = "") -> Routing:
    """The routing in a file, or the stack's own. Raises SettingsError, naming the file and what is wrong."""
    file = Path(path) if path else DEFAULT
    routing = read_file(file, Routing)
    for index, route in enumerate(routing.routes):
        where = f"{file}: routes.{index}"
        refuse_unknown(f"{where}.category", "category", route.category, CATEGORIES)
        refuse_unknown(f"{where}.severity", "severity", route.severity, SEVERITIES)
    return routing
