"""The journal: what is written is read back, and what is broken is named."""

from __future__ import annotations

import os
import signal as signals
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from chaos.domain.event import Event, Phase, Planned, Prepared, Reading, Signal, Undone
from chaos.domain.scenario import Arm
from chaos.errors import ArmFailed, InvalidInput
from chaos.journal import JournalWriter, breaches, journal_name, read, read_folder, verify
from tests.disks import full_for_a_moment
from tests.journals import Story, header, signal, write_journal


@pytest.fixture(name="story", scope="module")
def _story() -> Story:
    return Story()


def write(story: Story, path: Path, arm: Arm = Arm.DEFENDED) -> Path:
    plan = next(plan for plan in story.plan.arms if plan.arm is arm)
    return write_journal(path, plan, story.events[arm])


def unsealed(events: Sequence[Event]) -> list[Event]:
    return [msgspec.structs.replace(one, seal="") if isinstance(one, Phase) else one for one in events]


def test_what_is_written_is_read_back(story: Story, tmp_path: Path) -> None:
    journal = read(write(story, tmp_path / "journal.jsonl"))
    assert unsealed(journal.events) == story.events[Arm.DEFENDED]
    assert journal.plan == story.plan.arms[0]
    assert journal.arm is Arm.DEFENDED
    assert not journal.interrupted
    assert [event.layer for event in journal.of(Signal)] == [
        event.layer for event in story.events[Arm.DEFENDED] if isinstance(event, Signal)
    ]


def test_a_sound_journal_has_no_problems(story: Story, tmp_path: Path) -> None:
    for arm in Arm:
        assert verify(write(story, tmp_path / arm.value / "journal.jsonl", arm)) == []


def test_a_line_holds_one_event_even_if_the_plan_had_line_breaks(story: Story, tmp_path: Path) -> None:
    head = header(story.plan.arms[0])
    pretty = msgspec.structs.replace(head, plan=msgspec.Raw(msgspec.json.format(bytes(head.plan), indent=2)))
    path = tmp_path / "journal.jsonl"
    with JournalWriter(path, pretty) as journal:
        journal.write(Phase(0.0, "provision", "line\nbreak"))
    assert len(path.read_bytes().splitlines()) == 2
    assert read(path).events == (Phase(0.0, "provision", "line\nbreak"),)
    assert read(path).plan == story.plan.arms[0]


def test_a_journal_is_never_written_over(story: Story, tmp_path: Path) -> None:
    path = write(story, tmp_path / "journal.jsonl")
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        JournalWriter(path, header(story.plan.arms[0]))
    assert path.read_bytes() == before


def test_a_full_disk_is_named(story: Story, tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "journal.jsonl", header(story.plan.arms[0])) as journal:
        full = os.open("/dev/full", os.O_WRONLY) if Path("/dev/full").exists() else None
        if full is None:
            pytest.skip("this system has no /dev/full")
        os.dup2(full, journal._lines._file)
        os.close(full)
        with pytest.raises(ArmFailed, match="No space left"):
            journal.write(Phase(0.0, "provision"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_a_truncated_journal_always_reads(story: Story, tmp_path: Path, share: float) -> None:
    whole = tmp_path / "whole.jsonl"
    if not whole.exists():
        write(story, whole)
    data = whole.read_bytes()
    first = data.index(b"\n") + 1
    cut = first + round(share * (len(data) - first))
    path = tmp_path / "cut.jsonl"
    path.write_bytes(data[:cut])
    journal = read(path)
    events = story.events[Arm.DEFENDED]
    assert unsealed(journal.events) == events[: len(journal.events)]
    assert journal.torn == (data[cut - 1 : cut] != b"\n")
    assert journal.interrupted == (cut < len(data))


def test_a_killed_writer_leaves_every_event_that_it_wrote(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    program = (
        "import sys, os, signal, msgspec\n"
        "from pathlib import Path\n"
        "from chaos.domain.event import Header, Phase\n"
        "from chaos.journal import JournalWriter\n"
        "head = msgspec.json.decode(sys.stdin.buffer.read(), type=Header)\n"
        "journal = JournalWriter(Path(sys.argv[1]), head)\n"
        "for tick in range(200): journal.write(Phase(tick / 100, 'observe'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        input=msgspec.json.encode(header(story.plan.arms[0])),
        check=False,
        timeout=60,
    )
    assert done.returncode == -signals.SIGKILL
    journal = read(path)
    assert len(journal.events) == 200
    assert journal.interrupted


def test_whoever_comes_after_a_dead_writer_cuts_off_its_last_line(story: Story, tmp_path: Path) -> None:
    path = write(story, tmp_path / "journal.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    kept = len(read(path).events)
    with JournalWriter.reopen(path) as journal:
        journal.write(Undone(14.0, "late_partition-1", "undone"))
    events = read(path).events
    assert len(events) == kept + 1
    assert events[-1] == Undone(14.0, "late_partition-1", "undone")


@pytest.mark.parametrize(
    ("number", "line", "says"),
    [
        (3, b"not json", "is not an event"),
        (3, b'{"event":"signal","day":1}', "missing required field"),
        (3, b'{"event":"nonsense","day":1}', "nonsense"),
        (3, b"\xff\xfe", "is not an event"),
        (1, b'{"event":"phase","day":0,"phase":"done"}', "begins with its header"),
        (1, b'{"event":"header","day":0,"schema":99}', "of schema 99"),
    ],
)
def test_a_broken_line_is_named(story: Story, tmp_path: Path, number: int, line: bytes, says: str) -> None:
    path = write(story, tmp_path / "journal.jsonl")
    lines = path.read_bytes().splitlines()
    lines[number - 1] = line
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(InvalidInput, match=says) as raised:
        read(path)
    problem = raised.value.problems[0]
    assert (problem.file, problem.line) == (str(path), number)
    assert verify(path) == [problem]


@pytest.mark.parametrize("data", [b"", b'{"event":"head'])
def test_a_journal_without_a_header_is_no_journal(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / journal_name(Arm.CONTROL)
    path.write_bytes(data)
    with pytest.raises(InvalidInput):
        read(path)
    assert read_folder(tmp_path) == {}


def test_a_missing_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        read(tmp_path / "journal.jsonl")


def test_a_folder_holds_a_journal_for_each_arm_that_was_run(story: Story, tmp_path: Path) -> None:
    write(story, tmp_path / journal_name(Arm.DEFENDED))
    write(story, tmp_path / journal_name(Arm.BARE), Arm.BARE)
    assert list(read_folder(tmp_path)) == [Arm.DEFENDED, Arm.BARE]


def problems_of(story: Story, tmp_path: Path) -> list[str]:
    return [problem.says for problem in verify(write(story, tmp_path / "journal.jsonl"))]


def test_verify_finds_what_was_applied_without_an_undo_on_disk(tmp_path: Path) -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: type(event).__name__ == "Prepared")
    says = problems_of(story, tmp_path)
    assert "late_partition-1 was applied and its undo was not on disk" in says
    assert "late_partition-1 was undone and never prepared" in says


def test_verify_finds_what_was_never_undone(tmp_path: Path) -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Undone))
    assert problems_of(story, tmp_path) == ["late_partition-1 was applied and never undone"]


def test_verify_finds_an_undo_that_failed(tmp_path: Path) -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Undone))
    story.add(Arm.DEFENDED, Undone(8.5, "late_partition-1", "failed", "the link is gone"))
    assert problems_of(story, tmp_path) == ["the undo of late_partition-1 failed: the link is gone"]


def test_verify_finds_days_that_go_back_for_one_source_only(tmp_path: Path) -> None:
    story = Story()
    story.events[Arm.DEFENDED].insert(-1, signal("volume", "fired", 2.0))
    assert problems_of(story, tmp_path) == ["features goes back from day 13.16 to 2"]


def test_a_stack_that_begins_before_day_0_does_not_go_back(tmp_path: Path) -> None:
    """As in containers: while it is provisioned there is no calendar."""
    story = Story()
    story.events[Arm.DEFENDED].insert(1, Reading(-0.4, "good_views", 1.0, True))
    assert problems_of(story, tmp_path) == []


def test_a_clock_that_is_set_back_is_told_and_breaks_no_journal(tmp_path: Path) -> None:
    story = Story()
    story.events[Arm.DEFENDED].insert(-1, signal("volume", "fired", 2.0))
    assert problems_of(story, tmp_path) != []
    assert breaches(story.journals()[Arm.DEFENDED]) == []


def test_verify_finds_a_day_that_is_none(tmp_path: Path) -> None:
    story = Story()
    story.events[Arm.DEFENDED].insert(0, Phase(-9999.0, "provision"))
    assert problems_of(story, tmp_path) == ["-9999.0 is not a day"]


def test_verify_finds_a_plan_that_is_not_the_one_hashed(story: Story, tmp_path: Path) -> None:
    path = write(story, tmp_path / "journal.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"seed":7,"days"', b'"seed":8,"days"', 1))
    assert [problem.says for problem in verify(path)] == ["is not the hash of the plan", ALTERED]


ALTERED = "is not that of the lines before it: some were changed, added or taken out"


def taken_out(lines: list[bytes], at: int) -> list[bytes]:
    return lines[:at] + lines[at + 1 :]


def twice(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], lines[at], *lines[at:]]


def on_another_day(lines: list[bytes], at: int) -> list[bytes]:
    """A day later by what no rule sees."""
    event = msgspec.json.decode(lines[at])
    event["day"] += 0.001
    return [*lines[:at], msgspec.json.encode(event), *lines[at + 1 :]]


def exchanged(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    damage=st.sampled_from([taken_out, twice, on_another_day, exchanged]),
    where=st.floats(0, 1, exclude_max=True),
)
def test_the_end_seals_every_line_before_it(
    story: Story, tmp_path: Path, damage: Callable[[list[bytes], int], list[bytes]], where: float
) -> None:
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    lines = write(story, path).read_bytes().splitlines()
    damaged = damage(lines, 1 + int(where * (len(lines) - 3)))
    assume(damaged != lines)
    path.write_bytes(b"\n".join(damaged) + b"\n")
    assert (len(damaged), ALTERED) in [
        (one.line, one.says) for one in breaches(read(path)) if one.field == "seal"
    ]


def test_nothing_stands_after_the_end(story: Story, tmp_path: Path) -> None:
    path = write(story, tmp_path / "journal.jsonl")
    end = len(read(path).events) + 1
    with JournalWriter.reopen(path) as journal:
        journal.write(Reading(14.0, "good_views", 1.0, True))
    assert [(one.line, one.field, one.says) for one in verify(path)] == [(end, "seal", "has lines after it")]


def test_an_end_that_lost_its_seal_is_none_of_a_journal_that_is_sealed(story: Story, tmp_path: Path) -> None:
    path = write(story, tmp_path / "journal.jsonl")
    assert [one.says for one in verify(relined(story, path, len(read(path).events) + 1, seal=""))] == [
        ALTERED
    ]


def test_a_journal_of_a_version_that_sealed_none_is_sound(story: Story, tmp_path: Path) -> None:
    path = write(story, tmp_path / "journal.jsonl")
    header, *middle, end = map(msgspec.json.decode, path.read_bytes().splitlines())
    del header["sealed"], end["seal"]
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in (header, *middle, end)))
    assert verify(path) == []


def test_verify_finds_a_journal_that_ends_early(tmp_path: Path) -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Phase) and event.phase == "done")
    assert problems_of(story, tmp_path) == ["ends before the arm was done"]


def test_a_line_after_one_that_a_full_disk_took_in_part_is_read(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal-defended.jsonl"
    with JournalWriter(path, header(story.plan.arms[0])) as writer:
        with full_for_a_moment(monkeypatch), pytest.raises(ArmFailed, match="cannot write the journal"):
            writer.write(Phase(1.0, "inject", "late_partition"))
        writer.write(Phase(1.1, "void", "the disk was full"))
        writer.write(Phase(1.2, "done"))
    assert [event.day for event in read(path).events] == [1.1, 1.2]


def relined(story: Story, path: Path, number: int, **fields: object) -> Path:
    """The journal with fields of one line changed."""
    path.unlink(missing_ok=True)
    write(story, path)
    lines = path.read_bytes().splitlines()
    lines[number - 1] = msgspec.json.encode({**msgspec.json.decode(lines[number - 1]), **fields})
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"schema": 2}, "is of schema 2; this version reads 1"), ({"arm": "shadow"}, "'shadow' is not an arm")],
)
def test_a_header_that_can_be_decoded_may_be_of_something_else(
    story: Story, tmp_path: Path, fields: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        read(relined(story, tmp_path / "journal.jsonl", 1, **fields))


def test_a_second_header_is_named(story: Story, tmp_path: Path) -> None:
    path = write(story, tmp_path / "journal.jsonl")
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines, lines[0]]) + b"\n")
    with pytest.raises(InvalidInput, match="a second header") as raised:
        read(path)
    assert raised.value.problems[0].line == len(lines) + 1


def test_a_line_that_was_begun_after_the_end_marks_a_journal(story: Story, tmp_path: Path) -> None:
    path = write(story, tmp_path / "journal.jsonl")
    path.write_bytes(path.read_bytes() + b'{"event":"ph')
    assert read(path).interrupted
    assert [problem.says for problem in verify(path)] == ["is cut off"]


def test_a_journal_that_was_marked_as_interrupted_owes_nothing_and_has_no_end(tmp_path: Path) -> None:
    """As whoever comes after a runner that died marks it: what was left is settled elsewhere."""
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Undone) or event.day > 9.0)
    assert len(problems_of(story, tmp_path)) == 2
    (tmp_path / "journal.jsonl").unlink()
    story.add(Arm.DEFENDED, Phase(9.1, "interrupted", "the runner died"))
    assert problems_of(story, tmp_path) == []
    (tmp_path / "journal.jsonl").unlink()
    whole = story.add(Arm.DEFENDED, Phase(9.2, "done"))
    assert read(write(whole, tmp_path / "journal.jsonl")).interrupted


def test_the_newest_day_need_not_be_that_of_the_last_line() -> None:
    story = Story()
    story.events[Arm.DEFENDED].append(signal("volume", "fired", 13.9))
    assert story.journals()[Arm.DEFENDED].last_day == 14.0


def test_verify_finds_a_change_that_was_planned_twice_and_one_that_never_was(tmp_path: Path) -> None:
    story = Story()
    planned = next(event for event in story.events[Arm.DEFENDED] if isinstance(event, Planned))
    story.add(Arm.DEFENDED, planned, Prepared(3.5, "late_partition-2", None))
    assert problems_of(story, tmp_path) == [
        "late_partition-1 stands here twice",
        "late_partition-2 was prepared and never planned",
    ]


def test_what_needs_no_undo_need_not_be_undone(tmp_path: Path) -> None:
    def without_undo(event: Event) -> Event:
        return msgspec.structs.replace(event, undo=None) if isinstance(event, Prepared) else event

    story = Story().change(Arm.DEFENDED, without_undo)
    story.drop(Arm.DEFENDED, lambda event: isinstance(event, Undone))
    assert problems_of(story, tmp_path) == []


def test_verify_finds_days_that_creep_back(tmp_path: Path) -> None:
    story = Story()
    days = (13.4, 13.36, 13.32)
    story.events[Arm.DEFENDED][-1:-1] = [signal("volume", "fired", day, about=str(day)) for day in days]
    assert problems_of(story, tmp_path) == ["features goes back from day 13.4 to 13.32"]


def test_what_was_written_is_on_the_disk_after_a_sync(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with JournalWriter(tmp_path / "journal.jsonl", header(story.plan.arms[0])) as journal:
        assert synced == []
        journal.sync()
        assert synced == [journal._lines._file]
