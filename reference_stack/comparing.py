"""What is asked to compare features as served with features as stored."""

from __future__ import annotations

import msgspec

from reference_stack.messages import Empty, LookupReply
from reference_stack.ports import Operation


class Used(msgspec.Struct, frozen=True, gc=False):
    """The features of one customer as a replica's model was given them."""

    customer: int
    features: LookupReply


class SampleReply(msgspec.Struct, frozen=True):
    """Features of the newest few answers."""

    used: list[Used]


class RecomputeRequest(msgspec.Struct, frozen=True):
    """What has a stored snapshot of these customers?"""

    snapshot: str
    customers: list[int]


class RecomputeReply(msgspec.Struct, frozen=True):
    """Their features, in the order of the request."""

    rows: list[LookupReply]


SAMPLE = Operation("sample", Empty, SampleReply)
RECOMPUTE = Operation("recompute", RecomputeRequest, RecomputeReply)
