"""The age of the model that answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.domain.event import Version
from chaos.probes.recent import recent_rows


@dataclass(frozen=True)
class ModelAge:
    """Days since the version that answered most views of the last `over` days was trained."""

    name: ClassVar[str] = "model_age"
    over: Span = 0.1

    def read(self, target: Readable) -> float | None:
        """An age in days; None where no view was answered, or by a version of unknown date."""
        now = target.day()
        served: dict[int, int] = {}
        for row in recent_rows(target, self.over):
            if row.version > 0:
                served[row.version] = served.get(row.version, 0) + row.n
        if not served:
            return None
        main = max(sorted(served), key=lambda version: served[version])
        trained = {version.version: version.trained_day for version in target.seen(Version)}
        return None if main not in trained else now - trained[main]
