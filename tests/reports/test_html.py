"""The HTML report: one file that needs nothing else, tells the story, and opens without a complaint."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chaos.domain.scenario import Arm, Harm
from chaos.domain.verdict import BrokenRequirement
from chaos.reports import html
from chaos.reports.html import write_html
from chaos.reports.incident import FOR_PEOPLE, TO_FILL, record_of
from chaos.scoring.picture import picture_of
from tests.journals import LAYERS, Story, Told, readings, results_of, signal, without
from tests.scoring.test_standing import DETECTED, standing

VOID_TAGS = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """What a page refers to, and whether its elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.links += [str(values[key]) for key in ("href", "src") if values.get(key)]
        self.ids += [str(values["id"])] if values.get("id") else []
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID_TAGS:
            self.open.pop()


def write(folder: Path, *stories: Story) -> Path:
    for story in stories:
        trial = story.write(folder)
        for arm in story.events:
            (trial / arm.value / "stack" / "logs").mkdir(parents=True)
    (folder / "results.json").touch()
    path = folder / "report.html"
    results = results_of(*(story.score() for story in stories))
    records = {
        (trial.scenario, trial.seed): record_of(trial, [], story.journals()[Arm.DEFENDED])
        for trial, story in zip(results.trials, stories, strict=True)
    }
    write_html(results, folder, path, picture_of, records)
    return path


def test_broken_requirements_of_data_links_are_told_by_arm(tmp_path: Path) -> None:
    story = Story()
    story.write(tmp_path)
    found = {"link": "events", "requirement": "ordered", "allowed": 0, "worst": 2, "partition_days": [3]}
    broken = BrokenRequirement.model_validate({**found, "objected": ["volume"]})
    for told, shown in (({Arm.DEFENDED: [], Arm.UNDEFENDED: [broken]}, True), ({Arm.DEFENDED: []}, False)):
        trial = story.score().model_copy(update={"integrity": told})
        write_html(results_of(trial), tmp_path, tmp_path / "report.html", picture_of, {})
        page = (tmp_path / "report.html").read_text()
        says = "<li>undefended: events, day 3: after 2 later ones; volume objected</li>"
        assert (says in page, "requirements that were broken" in page) == (shown, shown)


@pytest.fixture(name="passed", scope="module")
def _passed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("passed"), Story())


@pytest.fixture(name="several", scope="module")
def _several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cut = Story(replace(Told(), seed=3)).cut(Arm.DEFENDED, 6.3)
    return write(
        tmp_path_factory.mktemp("several"), Story(), Story(without(replace(Told(), seed=2), "hold")), cut
    )


def test_it_needs_nothing_but_itself(passed: Path) -> None:
    text = passed.read_text()
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert not re.search(r"@import|url\((?!#)", text)
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"'\s<]+", text)) <= namespaces


def test_its_links_lead_to_the_journals_and_logs_beside_it(several: Path) -> None:
    page = Page(several.read_text())
    files = [link for link in page.links if not link.startswith(("#", "data:"))]
    assert sum(link.endswith(".jsonl") for link in files) == 12
    assert sum(link.endswith("/stack/logs") for link in files) == 12
    for link in files:
        assert (several.parent / link).exists(), link
    for anchor in (link[1:] for link in page.links if link.startswith("#")):
        assert anchor in page.ids


def test_every_id_is_there_once(several: Path) -> None:
    ids = Page(several.read_text()).ids
    assert sorted(ids) == sorted(set(ids))


def test_charts_take_the_colours_of_the_page(passed: Path) -> None:
    text = passed.read_text()
    used = set(re.findall(r"var\(--([\w-]+)\)", text))
    defined = set(re.findall(r"--([\w-]+):", text))
    assert used <= defined | {"c", "tone"}
    assert not re.search(r"#0[12]0[0-9a-f]{3}\b", text)
    assert "(prefers-color-scheme: dark)" in text
    assert "@media print" in text


def test_it_tells_what_happened(passed: Path) -> None:
    text = passed.read_text()
    for words in (
        "late events must not train a model",
        "0.00 days after the verified effect, on day 4.17",
        "volume fired on day 4.17, cleared on day 9.06: 0 rows delivered, 4,500 acknowledged",
        "version 25 answered from day 5.46 to day 6.46: trained without the partitions of day 3, 4",
        "VolumeRed to data team on day 4.20, acknowledged on day 4.45",
        "inside it, nothing can be said",
        *LAYERS,
        *Harm,
    ):
        assert words in text, words


def test_the_incident_record_leaves_to_people_what_only_they_can_say(passed: Path) -> None:
    record = passed.read_text().split("<h2>Incident record</h2>")[1].split("<h2>")[0]
    for words in (
        "hold: contained, fired on day 4.20",
        "VolumeRed, ML system, page, to data team; acknowledged on day 4.45",
        "late_partition injected",
    ):
        assert words in re.sub(r" +", " ", record), words
    for heading in FOR_PEOPLE:
        said = record.split(f"<h3>{heading}</h3>")[1].split("<h3>")[0]
        assert re.sub(r"<[^>]+>", "", said).strip() == TO_FILL


def test_several_trials_have_a_table_and_the_failed_ones_are_open(several: Path) -> None:
    text = several.read_text()
    assert len(re.findall(r'<details class="trial" id="trial-\d+" open>', text)) == 2
    assert len(re.findall(r'<details class="trial" id="trial-\d+">', text)) == 1
    assert "Interrupted." in text


def test_the_table_of_trials_has_every_fault(tmp_path: Path) -> None:
    one, other = Story().score(), Story(replace(Told(), seed=2)).score()
    unseen = one.faults[0].model_copy(update={"fault": "unseen", "detection": None})
    path = tmp_path / "report.html"
    results = results_of(one.model_copy(update={"faults": [*one.faults, unseen]}), other)
    write_html(results, tmp_path, path, picture_of)
    table = path.read_text().split("<h2>Trials</h2>")[1].split("</table>")[0]
    assert "<div>late_partition: volume, day 4.17</div><div>unseen: none</div>" in table
    assert "<div>volume, day 4.17</div>" in table


def test_only_so_many_trials_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "DRAWN_TRIALS", 1)
    bad = Story(without(replace(Told(), seed=2), "hold"))
    text = write(tmp_path, Story(), bad).read_text()
    # The one that did not pass is drawn, though it comes second.
    assert "t1-lanes" in text
    assert "t0-lanes" not in text


def test_it_can_be_written_without_the_journals(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_html(results_of(Story().score()), tmp_path, path, picture_of)
    assert "The journals of this trial are not there" in path.read_text()


def test_a_recovery_that_failed_is_not_called_unmeasured(tmp_path: Path) -> None:
    late = [8.5 + tick / 4 for tick in range(24)]
    for ok, told in ((False, True), (None, False)):
        folder = tmp_path / str(ok)
        folder.mkdir()
        page = write(folder, Story().change(Arm.DEFENDED, readings(ok, *late))).read_text()
        assert ("not steady again in time" in page) is told


def test_of_a_stack_that_stands_it_tells_what_users_got_and_what_one_arm_cannot_tell(tmp_path: Path) -> None:
    contained = {"contained": {"of": "defective_views", "at_least": 0.9}}
    trial = standing(Story(Told(expect={**DETECTED, **contained})))
    path = tmp_path / "report.html"
    write_html(results_of(trial), tmp_path, path, picture_of)
    told = path.read_text()
    assert "<span>into game</span>" in told
    assert "What users got" in told
    assert all(f"<td>{level.when}</td>" in told for level in trial.service_levels)
    assert "containment of defective_views: not measured on a stack that stands" in told
    assert "<th>what it counts</th>" not in told, "harm needs other arms"


def test_a_fault_that_never_was_injected_has_no_days_and_nobody_missed_it(tmp_path: Path) -> None:
    story = Story(Told(expect=DETECTED)).cut(Arm.DEFENDED, 2.0)
    path = tmp_path / "report.html"
    write_html(results_of(standing(story)), tmp_path, path, picture_of)
    told = path.read_text()
    assert "not injected" in told
    assert '<div class="value bad">none</div>' not in told


def test_a_run_without_a_trial_is_a_page_too(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_html(results_of(), tmp_path, path, picture_of)
    assert "void" in path.read_text()


def test_what_the_stack_says_cannot_become_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'&"
    story = Story().add(Arm.DEFENDED, signal("schema", "fired", 5.0, says=evil))
    text = write(tmp_path, story).read_text()
    assert Page(text).open == []
    assert "<script" not in text
    assert "alert(1)" in text


# --- a browser -------------------------------------------------------------------------------------------

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=2000",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]


@pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="no Chromium on this machine (in CI it fails)"
)
def test_a_browser_opens_it_without_a_complaint(several: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path}", "--dump-dom", several.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<svg") >= 9
