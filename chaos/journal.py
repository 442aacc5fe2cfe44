"""The journal of one arm: append-only JSON lines, from which every score and report is computed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TypeGuard, TypeVar

import msgspec
from pydantic import ValidationError

from chaos.domain.event import SCHEMA, Applied, Event, Header, Phase, Planned, Prepared, Undone
from chaos.domain.plan import ArmPlan, fingerprint_of
from chaos.domain.scenario import Arm
from chaos.domain.wrong import first_of
from chaos.errors import ArmFailed, InvalidInput, Problem
from chaos.lines import LineFile

E = TypeVar("E", bound=Event)

BROKEN_PHASES = ("void", "aborted", "interrupted")
"""Phases that say that an arm did not live through its days."""

EARLIEST_DAY = -200.0
BACKWARD_DAYS = 0.05
"""How far a source's days may go back between two lines: threads of one component may write out of turn."""


def journal_name(arm: Arm) -> str:
    """The file of an arm's journal."""
    return f"journal-{arm.value}.jsonl"


def header_of(
    plan: ArmPlan, *, run: str, mlchaos: str, started_at: str, versions: Mapping[str, str]
) -> Header:
    """The first line of an arm's journal."""
    return Header(
        day=0.0,
        schema=SCHEMA,
        mlchaos=mlchaos,
        run=run,
        seed=plan.seed,
        target=plan.target,
        arm=plan.arm.value,
        day_seconds=plan.day_seconds,
        started_at=started_at,
        plan_hash=plan.fingerprint(),
        plan=msgspec.Raw(plan.model_dump_json(by_alias=True).encode()),
        versions=dict(versions),
        sealed=True,
    )


class JournalWriter:
    """Writes events, each in one write of its own, so that a killed writer leaves whole lines behind.

    Raises ArmFailed where the disk does not take a line, FileExistsError where the journal is there already.
    """

    def __init__(self, path: Path, header: Header) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open(path, new=True)
        self.write(header)

    @classmethod
    def reopen(cls, path: Path) -> JournalWriter:
        """Go on with the journal of a writer that died, as the guardian does; a line it began is cut off."""
        writer = cls.__new__(cls)
        writer._open(path, new=False)
        return writer

    def _open(self, path: Path, *, new: bool) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._lines = LineFile(path, new=new)

    def write(self, event: Event) -> None:
        """Append one event; the arm's end seals all that is before it.

        Raises ArmFailed; what the disk took of the line is cut off before the next.
        """
        try:
            if _is_end(event):
                event = msgspec.structs.replace(event, seal=self._lines.sha256())
            line = self._encoder.encode(event)
            if b"\n" in line:  # only raw JSON that was handed in, such as the plan, can hold one
                line = msgspec.json.format(line, indent=-1)
            self._lines.append(line)
        except OSError as error:
            raise ArmFailed(f"cannot write the journal {self._path}: {error.strerror}") from error

    def sync(self) -> None:
        """Wait until what was written is on the disk. Raises ArmFailed."""
        try:
            self._lines.sync()
        except OSError as error:
            raise ArmFailed(f"cannot write the journal {self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the file; doing it twice does no harm."""
        self._lines.close()

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Journal:
    """What one arm left behind. `torn` says that its last line was cut off, `altered` in what its lines are
    not those that it was sealed with."""

    path: Path
    header: Header
    events: tuple[Event, ...]
    torn: bool = False
    altered: str = ""
    _by_kind: dict[type, list[Event]] = field(init=False, repr=False, compare=False, default_factory=dict)
    _plan: list[ArmPlan] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        for event in self.events:
            self._by_kind.setdefault(type(event), []).append(event)

    def of(self, kind: type[E]) -> Sequence[E]:
        """The events of one kind, in the order in which they were written."""
        return self._by_kind.get(kind, [])  # type: ignore[return-value]

    @property
    def arm(self) -> Arm:
        """Which arm it is of."""
        return Arm(self.header.arm)

    @property
    def plan(self) -> ArmPlan:
        """The arm's plan, from the header. Raises InvalidInput."""
        if not self._plan:
            try:
                self._plan.append(ArmPlan.model_validate_json(bytes(self.header.plan)))
            except ValidationError as error:
                says = f"is not a plan of this version: {first_of(error)}"
                raise InvalidInput([Problem(str(self.path), 1, "plan", says)]) from error
        return self._plan[0]

    @property
    def ended(self) -> Phase | None:
        """The phase that says why the arm did not live through its days; None where nothing says so."""
        return next((phase for phase in self.of(Phase) if phase.phase in BROKEN_PHASES), None)

    @property
    def interrupted(self) -> bool:
        """Whether the arm lacks its end: the writer was killed, or the run was stopped."""
        done = any(map(_is_end, self.of(Phase)))
        ended = self.ended
        return self.torn or not done or (ended is not None and ended.phase == "interrupted")

    @property
    def last_day(self) -> float:
        """The newest day that anything was written for."""
        return max((event.day for event in self.events), default=0.0)


def read(path: Path) -> Journal:
    """Read a journal; a last line that was cut off is left out and marks it. Raises InvalidInput."""
    return _parsed(path, *_lines(path))


def _parsed(path: Path, lines: Sequence[bytes], torn: bool) -> Journal:
    if not lines:
        says = "is empty" if not torn else "holds no whole line"
        raise InvalidInput([Problem(str(path), None, "", says)])
    decoder = msgspec.json.Decoder(Event)
    events: list[Event] = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problem = _schema_problem(path, line) if number == 1 else None
            raise InvalidInput([problem or Problem(str(path), number, "", _plain(error))]) from error
    header = events[0]
    if not isinstance(header, Header):
        raise InvalidInput([Problem(str(path), 1, "event", "a journal begins with its header")])
    if header.schema != SCHEMA:
        raise InvalidInput([Problem(str(path), 1, "schema", _other_schema(header.schema))])
    if header.arm not in list(Arm):
        raise InvalidInput([Problem(str(path), 1, "arm", f"{header.arm!r} is not an arm")])
    for number, event in enumerate(events[1:], start=2):
        if isinstance(event, Header):
            raise InvalidInput([Problem(str(path), number, "event", "a second header")])
    altered = _altered(events, lines) if header.sealed else ""
    return Journal(path, header, tuple(events[1:]), torn, altered)


def _altered(events: Sequence[Event], lines: Sequence[bytes]) -> str:
    for number, event in enumerate(events):
        if _is_end(event):
            before = hashlib.sha256(b"".join(line + b"\n" for line in lines[:number]))
            if event.seal != before.hexdigest():
                return "is not that of the lines before it: some were changed, added or taken out"
            return "has lines after it" if number + 1 < len(events) else ""
    return ""


def read_folder(folder: Path) -> dict[Arm, Journal]:
    """The journals of a trial's folder, by arm; one killed before its header was whole counts as not run.

    Raises InvalidInput where a journal is broken otherwise.
    """
    found: dict[Arm, Journal] = {}
    for arm in Arm:
        path = folder / journal_name(arm)
        if not path.exists():
            continue
        lines, torn = _lines(path)
        if lines:
            found[arm] = _parsed(path, lines, torn)
    return found


def _lines(path: Path) -> tuple[list[bytes], bool]:
    """The whole lines of a file, and whether another one was begun after them."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput([Problem(str(path), None, "", f"cannot be read: {error.strerror}")]) from error
    *lines, rest = data.split(b"\n")
    return lines, bool(rest)


def _plain(error: Exception) -> str:
    return f"is not an event: {error}"


def _other_schema(schema: object) -> str:
    return f"is of schema {schema}; this version reads {SCHEMA}"


def _schema_problem(path: Path, line: bytes) -> Problem | None:
    """A header of a later version may hold what this one cannot decode: then its schema is what to name."""
    try:
        raw = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema is None or schema == SCHEMA:
        return None
    return Problem(str(path), 1, "schema", _other_schema(schema))


def verify(path: Path) -> list[Problem]:
    """Everything that a journal should hold to and does not; empty for a sound one.

    One that says itself that it was interrupted need not have its end.
    """
    try:
        journal = read(path)
        journal.plan  # noqa: B018 (whether it can be read)
    except InvalidInput as error:
        return list(error.problems)
    return breaches(journal) + [Problem(str(path), line, "day", says) for line, says in _backward(journal)]


def breaches(journal: Journal) -> list[Problem]:
    """What a journal should hold to and does not, so that nothing that rests on it can be trusted.

    Days that go back are not among them: components have clocks of their own, and a fault may set them.
    """
    path, problems = journal.path, list[Problem]()
    if fingerprint_of(bytes(journal.header.plan)) != journal.header.plan_hash:
        problems.append(Problem(str(path), 1, "plan_hash", "is not the hash of the plan"))
    if journal.altered:
        end = next(line for line, event in enumerate(journal.events, start=2) if _is_end(event))
        problems.append(Problem(str(path), end, "seal", journal.altered))
    problems += [Problem(str(path), line, "day", says) for line, says in _no_days(journal)]
    problems += [Problem(str(path), line, "id", says) for line, says in _changes(journal)]
    if journal.ended is not None and journal.ended.phase == "interrupted":
        return problems
    if journal.torn:
        problems.append(Problem(str(path), len(journal.events) + 2, "", "is cut off"))
    elif not any(map(_is_end, journal.of(Phase))):
        problems.append(Problem(str(path), len(journal.events) + 1, "", "ends before the arm was done"))
    return problems


def _is_end(event: Event) -> TypeGuard[Phase]:
    return isinstance(event, Phase) and event.phase == "done"


def _is_day(day: float) -> bool:
    return math.isfinite(day) and day >= EARLIEST_DAY


def _no_days(journal: Journal) -> Iterator[tuple[int, str]]:
    for line, event in enumerate(journal.events, start=2):
        if not _is_day(event.day):
            yield line, f"{event.day} is not a day"


def _backward(journal: Journal) -> Iterator[tuple[int, str]]:
    newest: dict[str, float] = {}
    for line, event in enumerate(journal.events, start=2):
        unborn = isinstance(event, Phase) and event.phase == "provision"  # there is no calendar yet
        if unborn or not _is_day(event.day):
            continue
        source = str(getattr(event, "component", "harness"))
        before = newest.get(source, event.day)
        if event.day < before - BACKWARD_DAYS:
            yield line, f"{source} goes back from day {before:g} to {event.day:g}"
        newest[source] = max(before, event.day)


def _changes(journal: Journal) -> Iterator[tuple[int, str]]:
    """What is wrong with the order of changes: planned, undo prepared, applied, undone."""
    planned: set[str] = set()
    prepared: dict[str, bool] = {}
    applied: dict[str, int] = {}
    undone: set[str] = set()
    for line, event in enumerate(journal.events, start=2):
        if isinstance(event, Planned):
            if event.id in planned:
                yield line, f"{event.id} stands here twice"
            planned.add(event.id)
        elif isinstance(event, Prepared):
            if event.id not in planned:
                yield line, f"{event.id} was prepared and never planned"
            prepared[event.id] = event.undo is not None
        elif isinstance(event, Applied):
            if event.id not in prepared:
                yield line, f"{event.id} was applied and its undo was not on disk"
            applied[event.id] = line
        elif isinstance(event, Undone):
            undone.add(event.id)
            yield from ((line, says) for says in _undo_problems(event, prepared))
    if journal.ended is not None and journal.ended.phase == "interrupted":
        return  # what was left was settled when it was marked so
    for id, line in applied.items():
        if prepared.get(id) and id not in undone:
            yield line, f"{id} was applied and never undone"


def _undo_problems(event: Undone, prepared: dict[str, bool]) -> Iterator[str]:
    if event.id not in prepared:
        yield f"{event.id} was undone and never prepared"
    if event.outcome == "failed":
        yield f"the undo of {event.id} failed: {event.says}"
