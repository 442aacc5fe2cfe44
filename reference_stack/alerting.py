"""The words of alerts: their categories and severities, and what is said of one that is misspelt."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from reference_stack.settings import SettingsError

SOFTWARE, INFRASTRUCTURE, ML_SYSTEM, MODEL = "software", "infrastructure", "ML system", "model"
CATEGORIES = (SOFTWARE, INFRASTRUCTURE, ML_SYSTEM, MODEL)
PAGE, TICKET = "page", "ticket"
SEVERITIES = (PAGE, TICKET)


def refuse_unknown(where: str, what: str, name: str | None, known: Collection[str]) -> None:
    """Raises SettingsError with the nearest valid name, unless `name` is None or among those `known`."""
    if name is None or name in known:
        return
    near = get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else f"; there are {', '.join(sorted(known))}"
    raise SettingsError(f"{where}: there is no {what} {name!r}{hint}")
