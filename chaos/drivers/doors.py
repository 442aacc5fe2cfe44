"""A target's own doors: how a promotion or a configuration push is asked for, and what the answer means."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from chaos.domain.change import Promote, Push
from chaos.errors import ArmFailed, ChangeRefused

ANSWER_DAYS = 0.3
"""So long a door may take to answer: it may ask several components."""


class Request(NamedTuple):
    """What is asked of the component that keeps the door."""

    component: str
    operation: str
    body: dict[str, object]


class _Answer(msgspec.Struct, frozen=True):
    refused_by: str
    says: str


def request_of(change: Promote | Push) -> Request:
    """The request that a change stands for."""
    if isinstance(change, Promote):
        return Request(change.door, "promote", {"version": change.version, "by": change.by})
    body: dict[str, object] = {
        "key": change.key,
        "value": change.value,
        "components": list(change.components),
        "by": change.by,
        "approved_by": change.approved_by,
    }
    return Request(change.door, "push", body)


def check_answer(request: Request, status: int, answer: bytes) -> None:
    """Raises ChangeRefused where the door said no, ArmFailed where it did not answer as it should."""
    if status == 400:
        raise ChangeRefused(request.component, answer.decode(errors="replace")[:300])
    if status != 200:
        raise ArmFailed(f"{request.component} answers {request.operation} with {status}")
    try:
        said = msgspec.json.decode(answer, type=_Answer)
    except msgspec.DecodeError as error:
        raise ArmFailed(f"{request.component} answers {request.operation} unexpectedly: {error}") from error
    if said.refused_by:
        raise ChangeRefused(said.refused_by, said.says)
