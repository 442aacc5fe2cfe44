from __future__ import annotations

import pytest

from chaos.domain.event import Partition, PartitionRef
from chaos.scoring.lineage import altered_sources

WRITTEN = Partition(5.0, "collector", 4, 100, "w", "written", {"0": "a", "1": "b"})


def ref(digest: str = "x", out: tuple[int, ...] = (), **sources: str) -> PartitionRef:
    return PartitionRef(4, 100, digest, {name[1:]: print_ for name, print_ in sources.items()}, list(out))


@pytest.mark.parametrize(
    ("used", "altered"),
    [
        (ref("w", s0="a", s1="b"), []),
        (ref(s0="a", s1="b"), []),  # other bytes, such as a column more, and the same rows
        (ref(s0="a", s1="z"), ["1"]),
        (ref(s0="a", s1="z", out=(1,)), []),
        (ref(s0="z", s1="z", out=(1,)), ["0"]),
        (ref(s0="a"), ["1"]),  # rows of a source are lost
        (ref(s0="a", out=(1,)), []),
        (ref(s0="a", s1="b", s2="c"), ["2"]),
        (ref(), None),  # other bytes, and no fingerprints to tell which rows
        (ref(""), []),  # absent
    ],
)
def test_only_rows_that_were_used_can_make_a_partition_altered(
    used: PartitionRef, altered: list[str] | None
) -> None:
    assert altered_sources(used, [WRITTEN]) == altered


def test_what_was_there_before_is_clean() -> None:
    assert altered_sources(ref(s0="z"), []) == []


def test_of_a_day_that_was_written_twice_either_is_as_written_and_the_later_one_is_the_measure() -> None:
    again = Partition(5.2, "collector", 4, 100, "v", "written", {"0": "a", "1": "c"})
    for whole in ("w", "v"):
        assert altered_sources(ref(whole, s0="z"), [WRITTEN, again]) == []
    assert altered_sources(ref(s0="a", s1="c"), [WRITTEN, again]) == []
    assert altered_sources(ref(s0="a", s1="b"), [WRITTEN, again]) == ["1"]
