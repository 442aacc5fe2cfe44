"""Which ends of components were asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class Ends:
    """Each end that is asked for explains one that is told, however late.

    A component that is started again at once may be up before its end is heard of.
    """

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._all: set[str] = set()

    def asked_for(self, component: str) -> None:
        """It is about to be ended."""
        self._asked[component] += 1

    def all_of(self, components: Iterable[str]) -> None:
        """They are about to be taken down for good."""
        self._all |= set(components)

    def expected(self, component: str) -> bool:
        """Whether this end of it was asked for; asked once for each end."""
        if self._asked[component]:
            self._asked[component] -= 1
            return True
        return component in self._all
