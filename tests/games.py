"""A keeper over a fake stack, asked things on given days, and what it answered."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from chaos.app import make_catalogue
from chaos.contracts import Target
from chaos.domain.event import Event, Phase
from chaos.drivers.fake import FakeDriver, FakeTarget
from chaos.journal import Journal, read
from chaos.runner.stop import StopSignal
from chaos.standing.keeper import JOURNAL, Keeper, Kept
from chaos.standing.up import Asked, plan_of
from chaos.standing.wire import Answer, Ask, Desk, Happened, Visitor, Word
from tests.harness import shoppers, target_of


class Guest(Visitor):
    """A visitor that writes down what it is told."""

    def __init__(self) -> None:
        super().__init__(socket.socket())
        self.socket.close()
        self.told: list[Word] = []

    def tell(self, word: Word) -> None:
        self.told.append(word)

    def close(self) -> None:
        self.gone = True

    @property
    def answer(self) -> Answer | None:
        return next((word for word in self.told if isinstance(word, Answer)), None)

    @property
    def events(self) -> list[Event]:
        return [word.event for word in self.told if isinstance(word, Happened)]


@dataclass
class Agenda:
    """What is asked when: once the stack's day, or a condition, has come."""

    items: list[tuple[Callable[[], bool], Guest, Ask | None]] = field(default_factory=list)
    day: Callable[[], float] = lambda: 0.0

    def at(self, day: float, ask: Ask, guest: Guest | None = None) -> Guest:
        return self.once(lambda: self.day() >= day, ask, guest)

    def once(self, come: Callable[[], bool], ask: Ask | None, guest: Guest | None = None) -> Guest:
        guest = guest or Guest()
        self.items.append((come, guest, ask))
        return guest


class AgendaDesk(Desk):
    """A desk at which the agenda's guests turn up."""

    def __init__(self, agenda: Agenda) -> None:
        super().__init__("token")
        self._agenda = agenda

    def poll(self) -> list[tuple[Visitor, Ask]]:
        due = [item for item in self._agenda.items if item[0]()]
        self._agenda.items = [item for item in self._agenda.items if item not in due]
        asked: list[tuple[Visitor, Ask]] = []
        for _, guest, ask in due:
            if ask is None:
                guest.gone = True  # it hangs up
            else:
                asked.append((guest, ask))
        return asked


@dataclass
class Game:
    """A stack that was kept, from its coming up to its end."""

    folder: Path
    agenda: Agenda
    driver: FakeDriver
    borrowed: list[Path] = field(default_factory=list)
    stop: StopSignal = field(default_factory=StopSignal)

    def keep(self, days: float = 40.0) -> None:
        asked = Asked("game", target_of(), 1, "default", days, 1.0)
        kept = Kept(
            run="game",
            mlchaos="0",
            started_at="2026-01-01T00:00:00+00:00",
            versions={},
            folder=self.folder,
            plan=plan_of(asked),
            spec=target_of(),
            catalogue=make_catalogue(),
            driver=self.driver,
            desk=AgendaDesk(self.agenda),
            stop=self.stop,
            borrowed=self.borrowed.append,
        )

        def ready(target: Target) -> None:
            self.agenda.day = target.day

        Keeper(kept).keep(ready)

    @property
    def target(self) -> FakeTarget:
        return self.driver.targets[0]

    @property
    def journal(self) -> Journal:
        return read(self.folder / JOURNAL)

    def phases(self) -> list[tuple[str, str]]:
        return [(phase.phase, phase.says) for phase in self.journal.of(Phase)]


def lively(*more: Callable[[FakeTarget], Iterable[Event]]) -> Callable[[FakeTarget], Iterable[Event]]:
    """A script of shoppers and whatever else goes on."""

    def script(target: FakeTarget) -> Iterable[Event]:
        yield from shoppers(target)
        for one in more:
            yield from one(target)

    return script
