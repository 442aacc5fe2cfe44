"""An orchestrator that ends between any two writes comes to the same as one that does not."""

from __future__ import annotations


class Days:
    """Five days: a stage over midnight, a bad challenger, a roll back, and days that are put aside."""

    def __init__(self, office, broken, ends_at: int | None) -> None:
        self.office = office
        self.writes = 0
        self._ends_at = ends_at
        self._write, self._delete = office.folder.write, office.folder.delete
        office.folder.write, office.folder.delete = self._counted_write, self._counted_delete
        office.upstream.breaks = broken("train", 0.9, 1.85)
        office.with_canary({4: 0.0})
        office.start()
        self._live(3.7)
        self._ask("roll_back", by="ml")
        self._live(4.7)
        self._ask("purge", days=[3], by="ann")
        self._gone_back_to = office.champion()
        self._live(5.9)

    def outcome(self) -> tuple[object, ...]:
        aliases = [self.office.alias(name) for name in ("champion", "previous", "rolled_back", "challenger")]
        asked = self.office.ask("roll_back", by="ml")[1]["refused_by"], self.office.champion()
        return self._gone_back_to, *aliases, *asked, self.office.routes_canary()

    def _counted_write(self, name: str, data: bytes) -> None:
        self._count(name)
        self._write(name, data)

    def _counted_delete(self, name: str) -> None:
        self._count(name)
        self._delete(name)

    def _count(self, name: str) -> None:
        if name == "lease.json" or self.office.machine.day() < 1.8:
            return
        self.writes += 1
        if self.writes == self._ends_at:
            self.office.machine.end("orchestrator")
            raise OSError("it has ended")

    def _live(self, until_day: float) -> None:
        while self.office.machine.day() < until_day:
            self.office.until(self.office.machine.day() + 0.02)
            if self.office.machine.process("orchestrator") is None:
                self.office.start()

    def _ask(self, operation: str, **body: object) -> None:
        status, _ = self.office.ask(operation, **body)
        if status != 200:  # who asked has to look, and to ask again if it was not done
            self._live(self.office.machine.day() + 0.1)
            if self.office.champion() == 3 or operation == "purge":
                self.office.ask(operation, **body)


def test_wherever_it_ends_it_comes_to_the_same(new_office, broken):
    undisturbed = Days(new_office(), broken, None)
    expected = undisturbed.outcome()
    assert expected[:4] == (2, 6, 5, 5)
    assert undisturbed.writes > 50
    others = {}
    for ends_at in range(1, undisturbed.writes + 1):
        days = Days(new_office(), broken, ends_at)
        if (found := days.outcome()) != expected:
            others[ends_at] = found
    assert others == {}, expected
