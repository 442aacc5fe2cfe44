"""The log of recommendations on a disk that takes everything, or nothing for a while."""

from __future__ import annotations

from reference_stack.folders import MemoryFolder
from reference_stack.messages import LookupReply
from reference_stack.serving.recommendations import RecommendationLog, Recommended, recommendation_id

FEATURES = LookupReply("s1", 0.0, [3, 5], [0.5, 0.25], [1.0])


class Disk(MemoryFolder):
    """A folder that can be full."""

    full = False

    def append(self, name: str, data: bytes) -> None:
        if self.full:
            raise OSError("no space left on device")
        super().append(name, data)


def entry(number: int, day: float = 1.5, features: str = "") -> Recommended:
    name = recommendation_id("serving-a", day, str(number), 1)
    return Recommended(name, day, number, 0, 1, "s1", "c1", "b1", "serving-a", [7], 9, 0.0, features)


def lines(disk: Disk, day: int = 1) -> int:
    return len(disk.read(f"recommendations/{day}/serving-a.jsonl").split())


def test_each_recommendation_is_written_once() -> None:
    disk = Disk()
    log = RecommendationLog(disk, lambda: None)
    for number in range(150):
        log.add(entry(number))
    assert lines(disk) == 128
    log.flush()
    log.flush()
    assert lines(disk) == 150


def test_what_a_full_disk_did_not_take_is_written_later_and_the_oldest_of_very_much_is_lost() -> None:
    disk, failures = Disk(), []
    log = RecommendationLog(disk, lambda: failures.append(1))
    disk.full = True
    for number in range(5000):
        log.add(entry(number))
    assert log.find(entry(4999).recommendation) == entry(4999)
    disk.full = False
    log.flush()
    assert len(failures) == 5000 // 64 + 1
    assert 4096 <= lines(disk) < 4096 + 64
    assert log.find(entry(0).recommendation) is None
    assert log.find(entry(4999).recommendation) == entry(4999)


def test_a_new_day_has_files_of_its_own_and_names_its_features_anew() -> None:
    disk = Disk()
    log = RecommendationLog(disk, lambda: None)
    for day in (-0.5, 0.5):
        for number in range(2):
            log.add(entry(number, day, log.name_of(FEATURES, "serving-a", day)))
    log.flush()
    assert disk.list("features/") == ["features/-1/serving-a.jsonl", "features/0/serving-a.jsonl"]
    assert [lines(disk, day) for day in (-1, 0)] == [2, 2]
    for day in (-0.5, 0.5):
        found = log.find(entry(1, day).recommendation)
        assert found is not None
        assert log.features_of(found) == FEATURES


def test_what_a_disk_took_half_of_is_found_once_it_has_taken_it_whole() -> None:
    disk = Disk()
    log = RecommendationLog(disk, lambda: None)
    log.add(entry(1))
    disk.append("recommendations/1/serving-a.jsonl", b'\n{"recommendation":"serving-a.1.1.1","day":1.')
    assert log.find(entry(1).recommendation) == entry(1)
