"""The errors that the harness reports, each with the exit code it ends in."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


class ChaosError(Exception):
    """An error with a message for the user; never shown as a traceback."""

    exit_code: ClassVar[int] = 3

    def __reduce__(self) -> tuple[object, ...]:
        """As it is, whatever it was made of: a worker's errors come from another process."""
        return _bare, (type(self), self.args), self.__dict__


def _bare(kind: type[ChaosError], args: tuple[object, ...]) -> ChaosError:
    return kind.__new__(kind, *args)


def told(error: BaseException) -> str:
    """An error that nobody foresaw, and where it came from."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(where.filename).name}, line {where.lineno})"


def defect(error: BaseException) -> str:
    """The same, for whoever asked for what broke and is not to blame."""
    return f"a defect of its own: {told(error)}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, if one is close."""
    return next(iter(difflib.get_close_matches(name, list(map(str, known)), n=1, cutoff=0.4)), None)


def hint(near: str | None, known: Sequence[str] = ()) -> str:
    """What follows on a name that is not there: the one that was meant, else all that are known."""
    if near:
        return f" (did you mean {near!r}?)"
    return f"; there {'is' if len(known) == 1 else 'are'} {', '.join(known)}" if known else ""


class UsageError(ChaosError):
    """The command line asks for what cannot be."""


@dataclass(frozen=True)
class Problem:
    """One fault of an input file: where it is, and what would be right.

    `line` counts from 1; it is None where the whole file is meant.
    """

    file: str
    line: int | None
    field: str
    says: str
    nearest: str | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        field = f" {self.field}:" if self.field else ""
        return f"{where}:{field} {self.says}{hint(self.nearest)}"


class InvalidInput(ChaosError):
    """A scenario, target or parameter that cannot be run; carries every problem found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class ArmFailed(ChaosError):
    """The target could not be brought up or driven; the trial is void."""

    exit_code = 2


class NothingMatched(ArmFailed):
    """A data toxic met a partition in which there is nothing that it means."""


class DataTrouble(ArmFailed):
    """What hands data on cannot, such as where a disk is full: nothing of that is the platform's doing."""


class ChangeRefused(ChaosError):
    """The target's own door (a review, a schema, admission) said no to a change."""

    exit_code = 2

    def __init__(self, by: str, says: str) -> None:
        self.by = by
        self.says = says
        super().__init__(f"{by} refused: {says}")


class UndoFailed(ChaosError):
    """At least one undo could not be played."""

    exit_code = 4


class LeftBehind(UndoFailed):
    """What was started could not be taken down, as where the container engine is gone."""


class Interrupted(ChaosError):
    """The user asked to stop."""

    exit_code = 130
