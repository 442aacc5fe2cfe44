from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from reference_stack.layers.admission import Admission, AdmissionParameters
from reference_stack.layers.contract import GREEN
from reference_stack.layers.evidence import Candidate

SOUND = Candidate(
    version=7, size_bytes=13_000, checksum_fits=True, age_days=0.1, known_good=False, products=107
)


def ask(**changed: object):
    return Admission(AdmissionParameters()).decide(replace(SOUND, **changed))


def test_a_sound_version_is_green():
    assert ask() == GREEN
    assert ask(age_days=3.0, products=160, size_bytes=10_000_000) == GREEN


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"damage": "torn in its first bytes"}, "torn or foreign: torn in its first bytes"),
        ({"checksum_fits": False}, "checksum"),
        ({"size_bytes": 10_000_001}, "10000001 bytes"),
        ({"products": 161}, "161 products"),
        ({"finite": False}, "not finite"),
        ({"space_fits": False}, "space"),
        ({"smoke": "its scores are not finite"}, "its scores are not finite"),
        ({"lacks": ("partitions", "code")}, "lacks partitions, code"),
        ({"age_days": 3.01}, "3.0 days ago"),
        ({"age_days": math.nan}, "unknown time"),
    ],
)
def test_what_is_wrong_with_a_version_is_named(changed, says):
    decision = ask(**changed)
    assert decision.acts
    assert says in decision.says
    assert "version 7" in decision.says


def test_what_served_before_may_be_old_so_that_a_rollback_goes_through():
    assert ask(age_days=20.0, known_good=True) == GREEN
    assert ask(age_days=20.0, known_good=True, finite=False).acts


def test_the_first_thing_that_is_wrong_is_named():
    assert "not finite" in ask(finite=False, lacks=("code",)).says
    assert "no slate" in ask(smoke="no slate", lacks=("code",)).says
    assert "checksum" in ask(checksum_fits=False, finite=False).says
