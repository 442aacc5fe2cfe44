"""What a defensive layer is: a pure decision with parameters, asked at one hook.

The stack names its layers in its settings as `module:attribute`, so a team's own gate, in its own package,
is loaded in the same way as the ones in this folder:

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        max_share: float = 0.1

    class MyGate:
        name = "my_gate"
        hook = Hook.DELIVERY
        Parameters = Parameters

        def __init__(self, parameters: Parameters) -> None:
            self._parameters = parameters

        def decide(self, evidence: Delivery) -> Decision:
            return red("too many") if evidence.rows > 9 else GREEN

A layer sees only its evidence: never the fault, never the harness. What follows from a red decision is up to
the host at that hook and to the layer's mode: `off` (not asked), `observe` (asked, says what it would have
done), `enforce` (acts).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import msgspec


class Mode(enum.StrEnum):
    """Whether a layer is asked, and whether its word counts."""

    OFF = "off"
    OBSERVE = "observe"
    ENFORCE = "enforce"


class Hook(enum.StrEnum):
    """Where a layer is asked. Each hook has one kind of evidence and one meaning of acting."""

    ROW = "row"  # a batch of events at the collector → bad rows go to quarantine
    DELIVERY = "delivery"  # a partition due at the features job → the day's data gate is red
    QUEUE = "queue"  # partitions wait at the features job → the newest is taken in first, within a budget
    RETRAIN = "retrain"  # the orchestrator is about to retrain → the last good model is held
    CHALLENGER = "challenger"  # a model fitted, judged on an unseen day → it is not admitted
    REQUEST = "request"  # serving lacks features or a model → an answer is given all the same
    ARRIVAL = "arrival"  # a request is at serving's door → it is refused at once
    CALL = "call"  # serving is about to ask a dependency → it fails at once
    ATTEMPT = "attempt"  # a client is about to ask again → it gives up instead
    SERVICE_LEVEL = "service_level"  # the monitor has counted views → a page
    HEARTBEAT = "heartbeat"  # the monitor has, or lacks, a sign of life → a page
    ADMISSION = "candidate"  # a version asks to enter service → it is refused
    CANARY = "stage"  # a challenger answers some of the views → it is taken back
    PUSH = "push"  # a configuration value is to be set, or stands on the first component → it is refused
    CENSUS = "census"  # the monitor has counted what runs on the replicas → a page
    SERVED = "served"  # the monitor has sampled what features replicas answered with → a page
    PAGE = "page"  # an alert reaches on-call → it is acknowledged and its runbook followed


class Decision(msgspec.Struct, frozen=True):
    """`fired`: the layer objects. `acts`: it would also do something about it (a warning does not).

    `detail` holds the figures behind the words; `rows` (hook ROW only) bad rows by index, with the reason;
    `sources` (hook DELIVERY only) sources whose rows are left out of the day, which is not red then. `judged`
    (likewise) is False where it cannot say: that is told, and the day is compared with like any other.
    """

    fired: bool
    acts: bool
    says: str
    detail: Mapping[str, float] = {}
    rows: Mapping[int, str] = {}
    sources: tuple[int, ...] = ()
    judged: bool = True


GREEN = Decision(fired=False, acts=False, says="")


def warn(says: str, **detail: float) -> Decision:
    """Object, and leave it at that."""
    return Decision(fired=True, acts=False, says=says, detail=detail)


def red(says: str, **detail: float) -> Decision:
    """Object and act."""
    return Decision(fired=True, acts=True, says=says, detail=detail)


def unsure(says: str) -> Decision:
    """Object to being unable to judge."""
    return Decision(fired=True, acts=False, says=says, judged=False)


class Layer(Protocol):
    """The contract of a defensive layer; `Parameters` is a msgspec Struct that refuses unknown fields.

    `decide` is given the evidence of the layer's hook (see `reference_stack.layers.evidence`).
    """

    name: ClassVar[str]
    hook: ClassVar[Hook]
    Parameters: ClassVar[type[msgspec.Struct]]

    def __init__(self, parameters: Any) -> None: ...

    def decide(self, evidence: Any) -> Decision:
        """Judge the evidence; no I/O, no clock, no randomness."""
        ...
