"""A system of somebody's own, as docs/own-processes.md shows one, watched by the real Prometheus and Alertmanager."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.domain.event import Alert
from chaos.domain.verdict import Results, TrialResult, Verdict
from chaos.journal import read
from tests.command import begin, complete, program
from tests.shops import shown

pytestmark = pytest.mark.processes

FILES = {
    "our_site.py": "a stack of your own, on real processes",
    "targets/our-site.yaml": "mlchaos validate: target",
    "scenarios/stock-away.yaml": "for the target our-site",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder with all that the page shows."""
    for name in ("prometheus", "prometheus-alertmanager"):
        program(name)
    for name, first_line in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(shown(first_line, "own-processes.md"))
    return tmp_path


def run(site: Path, *options: str) -> TrialResult:
    complete(begin("run", "stock-away", "--target", "our-site", "--out", "run", *options, folder=site))
    (trial,) = Results.model_validate_json((site / "run" / "results.json").read_text()).trials
    return trial


def said(trial: TrialResult, about: str) -> str:
    return "; ".join(reason.says for reason in trial.reasons if reason.about == about)


def test_what_prometheus_finds_and_alertmanager_tells_makes_the_verdict(site: Path) -> None:
    trial = run(site)
    assert trial.verdict is Verdict.PASSED, trial.reasons
    assert said(trial, "detected").startswith("errors saw it on day 2.")
    assert said(trial, "alerted").startswith("SiteErrors (page) about site to oncall was sent on day 2.")
    (alert,) = trial.alerts
    assert (alert.name, alert.arm.value, alert.answer_told) == ("SiteErrors", "defended", False)
    heard = read(site / "run" / trial.arms[0].journal).of(Alert)
    told = {(one.name, one.state) for one in heard}
    assert told >= {("Watchdog", "firing"), ("SiteErrors", "firing"), ("SiteErrors", "resolved")}
    report = (site / "run" / "report.html").read_text()
    assert "SiteErrors" in report
    assert "nobody answered" not in report


def test_a_route_that_leads_nowhere_is_void_and_no_missed_alert(site: Path) -> None:
    code, scenario = site / "our_site.py", site / "scenarios" / "stock-away.yaml"
    text, asked = code.read_text(), "  - {probe: firing_alerts, at_most: 0}\n"
    for there, nowhere in (
        ("route: {{receiver: oncall,", "route: {{receiver: nobody,"),
        ("receivers: [{{name: oncall,", "receivers: [{{name: nobody}}, {{name: oncall,"),
    ):
        assert text.count(there) == 1
        text = text.replace(there, nowhere)
    code.write_text(text)
    assert asked in scenario.read_text()
    scenario.write_text(scenario.read_text().replace(asked, ""))
    trial = run(site, "--arms", "defended")
    assert trial.verdict is Verdict.VOID
    assert "never heard Watchdog, the alert that always fires" in said(trial, "arm defended")
    assert trial.alerts == []
