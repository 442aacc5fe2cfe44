from __future__ import annotations

import json
import signal
from importlib.metadata import version
from pathlib import Path

import pytest

from chaos.app import exit_code
from chaos.domain.event import Phase, Undone
from chaos.domain.source import MAX_BYTES
from chaos.domain.verdict import Results
from chaos.journal import JournalWriter, read
from tests.command import CALM, LATE, REPOSITORY, Command, begin, complete, in_process

VIRTUAL = ("--target", "reference-virtual")
GOOD = LATE.read_text()


@pytest.fixture
def mlchaos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


# --- what only looks -------------------------------------------------------------------------------------


def test_list_names_everything(mlchaos: Command) -> None:
    outcome = mlchaos("list")
    assert outcome.code == 0
    for name in ("late-partition", "slow-features", "latency", "freshness", "model_age", "reference-local"):
        assert name in outcome.out
    (line, *_) = mlchaos("list", "targets").out.splitlines()
    assert line.split()[0] == "k9s"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("late-partition", "held_days: 5d"),
        ("latency", "delay_ms"),
        ("model_age", "default 0.1"),
        ("hold", "asked by: orchestrator"),
        ("reference-virtual", "reference_stack.virtual:factory"),
    ],
)
def test_show_explains_a_name_of_any_kind(mlchaos: Command, name: str, says: str) -> None:
    outcome = mlchaos("show", name)
    assert (outcome.code, outcome.err) == (0, "")
    assert says in outcome.out


def test_plan_says_of_a_fault_that_waits_for_an_action_that_it_does(mlchaos: Command) -> None:
    outcome = mlchaos("plan", "torn-checkpoint", "--arms", "defended", *VIRTUAL)
    waiting = [
        line for line in outcome.out.splitlines() if "at the first save of trainer from then on" in line
    ]
    assert waiting
    assert all(line.startswith("    day 3.6    torn_checkpoint: ") for line in waiting)


def test_plan_says_what_would_be_done_and_when(mlchaos: Command, tmp_path: Path) -> None:
    outcome = mlchaos("plan", "late-partition", "--hole", "hold@5d..8d", "--arms", "defended,bare", *VIRTUAL)
    assert outcome.code == 0
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["day", "3.5", "late_partition:", "add_data_toxic", "events", "late", "held_days=5.0"] in lines
    assert ["day", "5", "hole:", "hold", "mode=off"] in lines
    assert ["day", "8", "hole", "closes:", "hold", "mode"] in lines
    assert [line for line in outcome.out.splitlines() if line.startswith("  bare: 14d, layers off")]
    assert "control" not in outcome.out
    unusual = (
        "--set",
        "layer.freshness.warn_days=5",
        "--set",
        "layer.schema.mode=observe",
        "--hole",
        "drift",
    )
    outcome = mlchaos("plan", "late-partition", *unusual, "--arms", "defended,bare", *VIRTUAL)
    told = [line.strip() for line in outcome.out.splitlines() if line.strip().startswith("layer ")]
    assert told == ["layer schema: observe", "layer drift: off", "layer freshness: warn_days=5"]
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("what", ["scenario", "target", "results"])
def test_schema_is_json_schema_and_nothing_else(mlchaos: Command, what: str) -> None:
    outcome = mlchaos("schema", what)
    assert outcome.code == 0
    schema = json.loads(outcome.out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False


def test_validate_takes_scenarios_and_targets(mlchaos: Command, tmp_path: Path) -> None:
    (tmp_path / "calm.yaml").write_text(CALM)
    (tmp_path / "mine.yaml").write_text("target: mine\nextends: reference-virtual\n")
    outcome = mlchaos("validate", "calm.yaml", "mine.yaml")
    assert outcome.out.splitlines() == [
        "calm.yaml: scenario 'calm' is valid",
        "mine.yaml: target 'mine' is valid",
    ]
    assert (outcome.code, outcome.err) == (0, "")


def test_a_scenario_is_validated_against_the_target_that_is_asked_for(
    mlchaos: Command, tmp_path: Path
) -> None:
    (tmp_path / "calm.yaml").write_text(CALM + "latent: [{layer: mine, mode: off}]\n")
    assert mlchaos("validate", "calm.yaml").code == 3
    layer = "layers: {mine: {asked_by: [shop], stages: [detect], says: sees}}\n"
    (tmp_path / "mine.yaml").write_text("target: mine\nextends: reference-virtual\n" + layer)
    assert mlchaos("validate", "calm.yaml", "--target", "mine.yaml").code == 0


# --- bad files -------------------------------------------------------------------------------------------

BAD_SCENARIOS = [
    # what is replaced, by what, the line that is named, what is said
    ("days: 14d", "days: 14d\ndais: 14d", "dais: 14d", "dais: there is no such key (did you mean 'days'?)"),
    ("within: 2d", "within: 2d\n    withn: 2d", "withn", "expect.recovered.withn: there is no such key (did you mean 'within'?)"),
    ("fault: late_partition", "fault: late_partitio", "fault: late", "faults.0.fault: there is no fault 'late_partitio' (did you mean 'late_partition'?)"),
    ("by: [volume", "by: [volum", "by: [volum", "expect.detected.by.0: the target has no layer 'volum' (did you mean 'volume'?)"),
    ("{link: events, held", "{link: event, held", "{link: event,", "faults.0.with.link: the target has no data link 'event' (did you mean 'events'?)"),
    ("{link: events, held", "{link: shop-serving-a, held", "{link: shop", "'shop-serving-a' is a network link; this needs a data link"),
    ("with: {link: events}", "with: {link: evnts}", "{link: evnts}", "steady_state.2.with.link: the target has no data link 'evnts' (did you mean 'events'?)"),
    ("probe: model_age", "probe: modelage", "modelage", "steady_state.1.probe: there is no probe 'modelage' (did you mean 'model_age'?)"),
    ("kind: defended", "kind: defend", "kind: defend", "'defend' is not one of defended, quiet, demonstration (did you mean 'defended'?)"),
    ("of: defective_views", "of: defective_view", "of: defective_view", "(did you mean 'defective_views'?)"),
    ("error_views: 60", "error_view: 60", "error_view: 60", "expect.budgets.error_view: 'error_view' is not one of"),
    ("days: 14d", "days: 14d\nworld: defalt", "world: defalt", "world: the target has no world 'defalt' (did you mean 'default'?)"),
    ("at_most: 1.9", "at_most: old", "at_most: old", "steady_state.1.at_most: must be a number, not 'old'"),
    ("at_least: 0.97", "at_least: .nan", "at_least: .nan", "steady_state.0.at_least: must be a finite number, not nan"),
    ("false_alarms: 0", "false_alarms: none", "false_alarms", "expect.false_alarms: must be a whole number, not 'none'"),
    ("tags: [late-data, smoke]", "tags: late-data", "tags: late", "tags: must be a list, not 'late-data'"),
    ("days: 14d", "days: 14", "days: 14", "days: 14 is not a calendar length; write 5d or 6h"),
    ("days: 14d", "days: 900ms", "days: 900ms", "days: '900ms' is on the operational clock"),
    ("held_days: 5d", "held_days: 5s", "held_days: 5s", "faults.0.with.held_days: '5s' is on the operational clock"),
    ("with: {over: 0.5d}", "with: {over: 50ms}", "over: 50ms", "steady_state.0.with.over: '50ms' is on the operational clock"),
    ("at: 3.5d", "at: 13d", "at: 13d", "faults.0.at: the fault ends on day 18, not inside the run's 14 days"),
    ("at: 3.5d", "at: 20d", "at: 20d", "faults.0.at: fault 'late_partition' runs from day 20 to 20, not inside"),
    ("at: 3.5d", "at: 0d", "at: 0d", "faults.0.at: fault 'late_partition' runs from day 0"),
    ("days: 14d", "days: 14d\ndays: 15d", "days: 15d", "days: stands here twice"),
    ("days: 14d", "days: 14d\nseeds: []", "seeds: []", "seeds: must hold 1 or more"),
    ("days: 14d", "days: 14d\nlatent: [{layer: hold, mode: off, from: 2d, until: 20d}]", "latent", "latent.0.until: day 20 is not inside"),
    ("days: 14d", "days: 14d\nlatent: [{layer: freshness, set: {warn_days: 2}}]", "latent", "latent.0.set.warn_days: 2 says no clock: write 2d"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "at", "says"), BAD_SCENARIOS, ids=[case[1][:40] for case in BAD_SCENARIOS]
)
def test_a_bad_scenario_is_told_with_file_line_field_and_nearest_name(
    mlchaos: Command, tmp_path: Path, old: str, new: str, at: str, says: str
) -> None:
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    (tmp_path / "bad.yaml").write_text(text)
    for command in (("validate", "bad.yaml"), ("run", "bad.yaml", *VIRTUAL), ("plan", "bad.yaml")):
        outcome = mlchaos(*command)
        assert outcome.code == 3
        (message,) = outcome.err.splitlines()
        assert message.startswith(f"mlchaos: bad.yaml:{line_of(text, at)}: ")
        assert says in message
        assert outcome.out == ""
    assert files_below(tmp_path) == ["bad.yaml"]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "bad.yaml: there is no such file"),
        (b"", "bad.yaml: is empty"),
        (b"# a comment only\n", "bad.yaml: is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "bad.yaml: is not UTF-8 text"),
        (b"PK\x03\x04\x00\x00", "bad.yaml: is"),
        (b"a: 1\n" * (MAX_BYTES // 5 + 1), "bad.yaml: is larger than"),
        (b"a: [1, 2\nb: 3\n", "bad.yaml:2: is not YAML"),
        (b"- a list\n", "bad.yaml:1: must be a mapping"),
        (b"hello: world\n", "bad.yaml:1: is neither a scenario nor a target"),
        (b"scenaro: x\n", "did you mean 'scenario'?"),
        (BOMB.encode(), "once aliases are expanded"),
        (b"a: &a [*a]\n", "once aliases are expanded"),
        (b"scenario: !!python/object/apply:os.mkdir [pwned]\n", "bad.yaml:1: "),
    ],
)
def test_what_is_no_scenario_file(mlchaos: Command, tmp_path: Path, data: bytes | None, says: str) -> None:
    if data is not None:
        (tmp_path / "bad.yaml").write_bytes(data)
    outcome = mlchaos("validate", "bad.yaml")
    assert (outcome.code, outcome.out) == (3, "")
    assert says in outcome.err
    assert mlchaos("run", "bad.yaml", *VIRTUAL).code == 3
    assert files_below(tmp_path) == ([] if data is None else ["bad.yaml"])


def test_every_problem_of_every_file_is_told_at_once(mlchaos: Command, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD.replace("by: [volume", "by: [volum").replace("events}", "event}"))
    (tmp_path / "two.yaml").write_text(CALM.replace("days: 2d", "days: 2"))
    outcome = mlchaos("validate", "one.yaml", "two.yaml")
    assert outcome.code == 3
    assert [line.split(":")[0] for line in outcome.err.removeprefix("mlchaos: ").splitlines()] == [
        "one.yaml",
        "one.yaml",
        "two.yaml",
    ]


def test_two_scenarios_of_one_name(mlchaos: Command, tmp_path: Path) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "mine.yaml").write_text("# mine\n" + GOOD)
    says = "mine.yaml:2: scenario: the scenario 'late-partition' is also in"
    for command in (
        ("run", "late-partition", *VIRTUAL),
        ("list", "scenarios"),
        ("validate", "scenarios/mine.yaml"),
    ):
        outcome = mlchaos(*command)
        assert outcome.code == 3
        assert says in outcome.err
    (tmp_path / "a.yaml").write_text(CALM)
    (tmp_path / "b.yaml").write_text(CALM)
    assert (
        "b.yaml:2: scenario: the scenario 'calm' is also in a.yaml"
        in mlchaos("validate", "a.yaml", "b.yaml").err
    )
    assert not (tmp_path / "runs").exists()


BAD_TARGETS = [
    ("says: x\n", "", "target.yaml", "bad.yaml:1: says: is missing"),
    ("{role: x}", "{rol: x}", "", "components.shop.role: is missing"),
    ("kind: virtual", "kind: vrtual", "kind: vrtual", "driver.kind: 'vrtual' is not one of fake, local, virtual, compose (did you mean 'virtual'?)"),
    ("a:b", "a.b", "a.b", "driver.factory: must be written as module:attribute"),
    ('virtual, factory: "a:b"', "fake, ahead: [x]", "ahead", "driver.ahead: is for targets of kind virtual"),
    ("to: shop", "to: shp", "to: shp", "links.wire.to: names a component 'shp' that is not there (did you mean 'shop'?)"),
    ("[shop]", "[shp]", "[shp]", "links.wire.from.0: names a component 'shp' that is not there (did you mean 'shop'?)"),
    ("asked_by: [shop]", "asked_by: [shp]", "asked_by", "layers.gate.asked_by.0: names a component 'shp' that is not there"),
    ("normal_ms: 8ms", "normal_ms: 8d", "8d", "normal_ms: '8d' is on the calendar; this is an operational length"),
    ("capabilities: [data]", "capabilities: [dat]", "[dat]", "capabilities.0: 'dat' is not one of"),
    ("type: days", "type: day", "type: day", "layers.gate.parameters.warn_days.type: 'day' is not one of"),
    ("default: 1.0", "default: enforce", "default: enforce", "layers.gate.parameters.warn_days.default: "),
    ("default: 1.0}", "default: 1.0, worlds: {starved: x}}", "warn_days", "warn_days.worlds.starved: "),
    ("default: 1.0}", "default: 1.0, at_most: 0.5}", "warn_days", "warn_days.default: 1.0 is above 0.5"),
    ("kind: data, from", "kind: dta, from", "wire:", "links.wire.kind: 'dta' is not one of network, data (did you mean 'data'?)"),
    ("kind: data, from", "from", "wire:", "links.wire.kind: is missing"),
    ('factory: "a:b"', 'factory: "a:b", stack: {layers: {gat: {use: "a:G"}}}', "driver:", "driver.stack.layers.gat: is none of the target's `layers`"),
    ("normal_ms: 8ms", "toxics: [noop, latncy]", "toxics", "toxics.1: 'latncy' is not one of latency, bandwidth, "),
    ("normal_ms: 8ms", "toxics: [latncy]", "toxics", "(did you mean 'latency'?)"),
    ('factory: "a:b"', 'factory: "a:b", stack: {layers: [gate]}', "driver:", "driver.stack.layers: must be a mapping of keys to values"),
    ('virtual, factory: "a:b"', 'local, command: [x], settings: {folders: [wire]}', "driver:", "driver.settings.folders: must be a mapping of keys to values"),
    ('virtual, factory: "a:b"}\ncapabilities: [data]', "compose, settings: {model: ours}}\ncapabilities: [data, registry]", "[data, registry]", "capabilities.1: 'registry' needs a component of that name, which is asked for the aliases"),
    ('virtual, factory: "a:b"}\ncapabilities: [data]\nnormal_ms: 8ms\ncomponents:', "local, command: [x], settings: {model: ours, folders: {wire: {source: out, sink: in}}}}\ncapabilities: [registry]\ncomponents:\n  registri: {role: x}", "[registry]", "capabilities.0: 'registry' needs a component of that name, which is asked for the aliases (did you mean 'registri'?)"),
    ("normal_ms: 8ms", "alerting: {told_by: alertmanagr}", "alerting", "alerting.told_by: 'alertmanagr' is not one of log, alertmanager (did you mean 'alertmanager'?)"),
    ("normal_ms: 8ms", "alerting: {told_by: alertmanager}", "alerting", "alerting.told_by: alertmanager is for targets of kind local"),
    ("normal_ms: 8ms", "alerting: {labels: {layer: team}}", "alerting", "alerting.labels: are those of Alertmanager's alerts"),
    ('virtual, factory: "a:b"}', 'fake}\nalerting: {told_by: alertmanager}', "alerting", "alerting.watchdog: is missing: without an alert that always fires"),
    ("normal_ms: 8ms", "alerting: {labels: {abuot: job}}", "alerting", "alerting.labels.abuot: there is no such key (did you mean 'about'?)"),
    ("due: 0.1d", "due: 10ms", "due: 10ms", "links.wire.due: '10ms' is on the operational clock"),
]  # fmt: skip
TARGET = """target: bad
says: x
driver: {kind: virtual, factory: "a:b"}
capabilities: [data]
normal_ms: 8ms
components:
  shop: {role: x}
links:
  wire: {kind: data, from: [shop], to: shop, due: 0.1d}
layers:
  gate:
    asked_by: [shop]
    stages: [detect]
    says: sees
    parameters:
      warn_days: {type: days, default: 1.0}
"""


@pytest.mark.parametrize(("old", "new", "at", "says"), BAD_TARGETS, ids=[case[1] for case in BAD_TARGETS])
def test_a_bad_target_is_told_with_file_line_field_and_nearest_name(
    mlchaos: Command, tmp_path: Path, old: str, new: str, at: str, says: str
) -> None:
    text = TARGET.replace(old, new, 1)
    assert text != TARGET
    (tmp_path / "bad.yaml").write_text(text)
    outcome = mlchaos("validate", "bad.yaml")
    assert outcome.code == 3
    assert says in outcome.err
    if at in text and at:
        assert f"bad.yaml:{line_of(text, at)}: " in outcome.err
    assert mlchaos("run", "late-partition", "--target", "bad.yaml").code == 3
    assert files_below(tmp_path) == ["bad.yaml"]


def test_a_local_target_says_how_it_is_started_and_where_its_data_lies(
    mlchaos: Command, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(TARGET.replace('kind: virtual, factory: "a:b"', "kind: local"))
    assert "bad.yaml:3: driver.command: is missing" in mlchaos("validate", "bad.yaml").err
    driver = 'kind: local, command: ["true"]'
    (tmp_path / "bad.yaml").write_text(TARGET.replace('kind: virtual, factory: "a:b"', driver))
    assert "bad.yaml:3: driver.settings.folders.wire: is missing" in mlchaos("validate", "bad.yaml").err
    driver += ", settings: {modle: ours, folders: {wire: {source: out, sink: in}}}"
    text = TARGET.replace('kind: virtual, factory: "a:b"', driver)
    (tmp_path / "bad.yaml").write_text(text)
    assert mlchaos("validate", "bad.yaml").code == 0
    (tmp_path / "bad.yaml").write_text(text.replace("capabilities: [data]", "capabilities: [data, registry]"))
    assert "bad.yaml:3: driver.settings.model: is missing" in mlchaos("validate", "bad.yaml").err


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("shop-serving-a:", "shop-servin-a:", "links.shop-servin-a: the target has no network link 'shop-servin-a' (did you mean 'shop-serving-a'?)"),
        ("      shop-serving-a: toxiproxy:21001\n", "", "links.shop-serving-a: is missing: network link 'shop-serving-a' needs the address"),
        ("{collector:", "{colector:", "disks.colector: the target has no component 'colector' (did you mean 'collector'?)"),
    ],
)  # fmt: skip
def test_what_the_containers_driver_is_told_is_about_what_the_target_has(
    mlchaos: Command, tmp_path: Path, old: str, new: str, says: str
) -> None:
    text = (REPOSITORY / "targets" / "k9s_compose.yaml").read_text()
    assert text.count(old) == 1
    (tmp_path / "bad.yaml").write_text(text.replace(old, new).replace("reference-compose", "mine"))
    outcome = mlchaos("validate", "bad.yaml")
    assert outcome.code == 3
    assert outcome.err.startswith("mlchaos: bad.yaml:")
    assert f": driver.settings.{says}" in outcome.err


def test_folders_are_those_of_data_links_that_are_there(mlchaos: Command, tmp_path: Path) -> None:
    folders = "driver: {settings: {folders: {evnts: {source: outbox, sink: inbox}}}}"
    (tmp_path / "bad.yaml").write_text(f"target: bad\nextends: reference-local\n{folders}\n")
    says = "bad.yaml:3: driver.settings.folders.evnts: the target has no data link 'evnts' (did you mean 'events'?)"
    assert says in mlchaos("validate", "bad.yaml").err


def test_a_local_target_whose_command_is_not_there_starts_nothing(mlchaos: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "target: mine\nextends: reference-local\ndriver: {command: [nosuch]}\n"
    )
    says = "mlchaos: target 'mine': its command 'nosuch' is not there to be run\n"
    for words in (("run", "late-partition"), ("stack", "up")):
        outcome = mlchaos(*words, "--target", "mine.yaml")
        assert (outcome.code, outcome.err) == (3, says)
    assert files_below(tmp_path) == ["mine.yaml"]


def test_a_target_in_containers_says_where_callers_find_each_link(mlchaos: Command, tmp_path: Path) -> None:
    text = "target: mine\nextends: reference-compose\nlinks:\n  more: {kind: network, from: [shop], to: oncall}\n"
    (tmp_path / "mine.yaml").write_text(text)
    outcome = mlchaos("validate", "mine.yaml")
    assert outcome.code == 3
    assert "driver.settings.links.more: is missing: network link 'more' needs the address" in outcome.err
    address = "driver: {settings: {links: {more: 'toxiproxy:21028'}}}\n"
    (tmp_path / "mine.yaml").write_text(text + address)
    assert mlchaos("validate", "mine.yaml").code == 0


def test_nothing_beyond_loopback_without_being_listed_and_allowed(mlchaos: Command, tmp_path: Path) -> None:
    far = "target: far\nextends: reference-virtual\ncomponents:\n  shop: {host: db.example.com}\n"
    (tmp_path / "far.yaml").write_text(far)
    given = ("--target", "far.yaml", "--allow", "db.example.com")
    for words in (
        ("run", "late-partition", *given),
        ("plan", "late-partition", *given),
        ("stack", "up", *given),
        ("validate", "far.yaml"),
    ):
        outcome = mlchaos(*words)
        assert outcome.code == 3
        assert (
            "far.yaml:4: components.shop.host: 'db.example.com' is not on loopback and not listed"
            in outcome.err
        )
    (tmp_path / "far.yaml").write_text(far + "hosts: [db.example.com]\n")
    for words in (("run", "late-partition"), ("stack", "up")):
        outcome = mlchaos(*words, "--target", "far.yaml")
        assert outcome.code == 3
        assert (
            "far.yaml:4: components.shop.host: 'db.example.com' is not on loopback; name it with --allow"
            in outcome.err
        )
    assert mlchaos("validate", "far.yaml").code == 0
    assert mlchaos("plan", "late-partition", "--target", "far.yaml", "--allow", "db.example.com").code == 0
    assert files_below(tmp_path) == ["far.yaml"]


def test_an_error_that_nobody_foresaw_is_one_line_and_no_verdict(
    mlchaos: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("not foreseen")

    monkeypatch.setattr("chaos.inspection.make_catalogue", broken)
    outcome = mlchaos("list", "faults")
    assert outcome.code == 2
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith("mlchaos: a defect of its own: RuntimeError: not foreseen (test_cli.py, line ")


def test_a_url_for_the_driver_leads_to_loopback_too(mlchaos: Command, tmp_path: Path) -> None:
    for part in ("settings", "stack"):
        far = (
            f"target: far\nextends: reference-virtual\ndriver:\n  {part}:\n    registry: {{database: URL}}\n"
        )
        (tmp_path / "far.yaml").write_text(
            far.replace("URL", "'postgresql://me:pw@db.example.com:5432/prod'")
        )
        outcome = mlchaos("validate", "far.yaml")
        assert outcome.code == 3
        says = (
            f"far.yaml:5: driver.{part}.registry.database: 'db.example.com' is not on loopback and not listed"
        )
        assert says in outcome.err
        (tmp_path / "far.yaml").write_text(far.replace("URL", "'sqlite:///store.db'"))
        assert mlchaos("validate", "far.yaml").code == 0
        (tmp_path / "far.yaml").write_text(far.replace("URL", "'http://127.0.0.1:5432'"))
        assert mlchaos("validate", "far.yaml").code == 0


@pytest.mark.parametrize(
    ("key", "far", "near"),
    [
        ("upstream", "db.example.com:5432", "127.0.0.1:5432"),
        ("database_host", "db.example.com", "localhost"),
        ("hosts", "[db.example.com]", "[localhost]"),
        ("dsn", "'postgresql:///prod?host=db.example.com'", "'postgresql:///prod?host=/run/postgresql'"),
        (
            "dsn",
            "'postgresql://localhost:5432,db.example.com:5432/prod'",
            "'postgresql://localhost:5432/prod'",
        ),
        ("dsn", "'jdbc:postgresql://db.example.com/prod'", "'jdbc:postgresql://127.0.0.1/prod'"),
        ("kafka", "'localhost:9092,db.example.com:9092'", "'localhost:9092,127.0.0.1:9093'"),
        ("server", "'db.example.com:9092'", "uvicorn"),
    ],
)
def test_an_address_for_the_driver_leads_to_loopback_too(
    mlchaos: Command, tmp_path: Path, key: str, far: str, near: str
) -> None:
    text = "target: far\nextends: reference-virtual\ndriver:\n  stack: {{{}: {}}}\n"
    (tmp_path / "far.yaml").write_text(text.format(key, far))
    outcome = mlchaos("validate", "far.yaml")
    assert outcome.code == 3
    assert f"far.yaml:4: driver.stack.{key}" in outcome.err
    assert "'db.example.com' is not on loopback and not listed" in outcome.err
    (tmp_path / "far.yaml").write_text(text.format(key, near))
    assert mlchaos("validate", "far.yaml").code == 0


# --- bad command lines -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "late-partitoin"], "there is no scenario 'late-partitoin' (did you mean 'late-partition'?)"),
        (["run", "late-partition.yaml"], "late-partition.yaml: there is no such file (did you mean 'late-partition'?)"),
        (["run", "late-partition", "--target", "reference-virtal"], "did you mean 'reference-virtual'?"),
        (["run", "late-partition", "--target", "k9s"], "cannot be run, its driver is 'fake'"),
        (["run", "late-partition", "late-partition"], "'late-partition' with seed 1 is asked for twice"),
        (["run", "late-partition", "--hole", "freshnes"], "did you mean 'freshness'?"),
        (["run", "late-partition", "--hole", "hold@5..8"], "as in freshness@5d..8d"),
        (["run", "late-partition", "--hole", "hold@8d..5d"], "must close after it opens"),
        (["run", "late-partition", "--hole", "hold@5d..50d"], "not inside the run's 14 days"),
        (["run", "late-partition", "--set", "hold.mode=off"], "--set hold.mode=off: write layer.NAME"),
        (["run", "late-partition", "--set", "layer.hold.mode=on"], "a mode is off, observe or enforce"),
        (["run", "late-partition", "--set", "layer.hold.cycle=1"], "did you mean 'cycles'?"),
        (["run", "late-partition", "--set", "layer.hold.cycles=x"], "'x' is not a number"),
        (["run", "late-partition", "--set", "layer.freshness.warn_days=nan"], "nan is not a number"),
        (["run", "late-partition", "--set", "layer.freshness.warn_days=1ms"], "on the operational clock"),
        (["run", "late-partition", "--set", "fault.late.held_days=7"], "did you mean 'late_partition'?"),
        (
            ["run", "late-partition", "--set", "fault.late_partition.held=7"],
            "--set fault.late_partition.held=7: late_partition has no parameter 'held' (did you mean 'held_days'?)",
        ),
        (["run", "late-partition", *["--set", "layer.hold.cycles=1"] * 2], "--set layer.hold.cycles is given twice"),
        (["run", "late-partition", "--set", "layer.hold.mod=off"], "did you mean 'mode'?"),
        (["run", "late-partition", "--seeds", "5..1"], "write a range, as in 1..20"),
        (["run", "late-partition", "--seeds", "1..999999999"], "a range at most 10,000 long"),
        (["run", "late-partition", "--seeds", "1..2", "--seed", "1"], "exclude each other"),
        (["run", "slow-site-sated", *VIRTUAL, "--seeds", "1..2"], "fixes its seeds (1): 2 is none of them"),
        (["plan", "slow-site-sated", *VIRTUAL, "--seed", "2"], "fixes its seeds (1): 2 is none of them"),
        (["suite", "slow-site-sated", *VIRTUAL, "--seed", "2"], "fixes its seeds (1): 2 is none of them"),
        (["run", "late-partition", "--seed", "-1"], "'--seed'"),
        (["run", "late-partition", "--seed", "one"], "'--seed'"),
        (["run", "late-partition", "--arms", "defnded"], "did you mean 'defended'?"),
        (["run", "late-partition", "--arms", "bare,bare"], "'bare' is there twice"),
        (["run", "late-partition", "--arms", ""], "'' is not one of defended, control, undefended, bare"),
        (["run", "late-partition", "--day-seconds", "0"], "--day-seconds must be above 0"),
        (["run", "late-partition", "--day-seconds", "nan"], "--day-seconds must be above 0"),
        (["run", "late-partition", "--day-seconds", "0.1"], "--day-seconds 0.1: open_ms of layer breaker: 50ms are more than a quarter"),
        (["stack", "up", "--day-seconds", "0.1"], "--day-seconds 0.1: open_ms of layer breaker: 50ms are more than a quarter"),
        (["run", "late-partition", "--junit", "nowhere/x.xml"], "--junit nowhere/x.xml: there is no folder"),
        (["run", "late-partition", "--junit", "."], "--junit .: that is a folder"),
        (["report", ".", "--junit", "nowhere/x.xml"], "--junit nowhere/x.xml: there is no folder"),
        (["run", "late-partition", "--keep", "some"], "'--keep'"),
        (["run", "late-partition", "--outt", "x"], "No such option: --outt"),
        (["run"], "Missing argument"),
        (["rum", "late-partition"], "Did you mean 'run'?"),
        (["suite", "late-dat"], "that tag or name (did you mean 'late-data'?)"),
        (["show", "model_aeg"], "did you mean 'model_age'?"),
        (["list", "fault"], "did you mean 'faults'?"),
        (["schema", "scenarios"], "did you mean 'scenario'?"),
        (["report", "nowhere"], "is not the folder of a run"),
        (["compare", "nowhere", "."], "nowhere has no results.json: it is not the folder of a run"),
        (["recover", "nowhere"], "there is no folder nowhere"),
        (["stack", "down"], "no stack stands under the name 'k9s' here"),
        (["stack", "up", "--target", "reference-virtual"], "cannot stand by itself"),
    ],
)  # fmt: skip
def test_a_bad_command_line_is_one_message_and_starts_nothing(
    mlchaos: Command, tmp_path: Path, arguments: list[str], says: str
) -> None:
    outcome = mlchaos(*arguments)
    assert outcome.code == 3
    assert outcome.out == ""
    (message,) = outcome.err.splitlines()
    assert message.startswith("mlchaos: ")
    assert says in message
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(("words", "named"), [((), "validate"), (("stack",), "status")])
def test_without_a_command_there_is_help(mlchaos: Command, words: tuple[str, ...], named: str) -> None:
    outcome = mlchaos(*words)
    assert (outcome.code, outcome.err) == (3, "")
    assert named in outcome.out


def test_it_says_which_version_it_is(mlchaos: Command) -> None:
    outcome = mlchaos("--version")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"mlchaos {version('mlchaos')}\n", "")


def test_out_must_be_empty_and_can_be_made(mlchaos: Command, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    for out in ("full", "full/x", "full/x/y"):
        outcome = mlchaos("run", "late-partition", *VIRTUAL, "--out", out)
        assert outcome.code == 3
        assert outcome.err.startswith("mlchaos: ")
        assert out in outcome.err
    assert files_below(tmp_path) == ["full", "full/x"]


# --- runs ------------------------------------------------------------------------------------------------


def test_json_prints_the_results_and_nothing_else(mlchaos: Command, tmp_path: Path) -> None:
    (tmp_path / "calm.yaml").write_text(CALM)
    outcome = mlchaos("run", "calm.yaml", *VIRTUAL, "--out", "run", "--json", "--junit", "junit.xml")
    assert (outcome.code, outcome.err) == (0, "")
    printed = Results.model_validate_json(outcome.out)
    assert printed == Results.model_validate_json((tmp_path / "run" / "results.json").read_text())
    assert outcome.out.strip() == (tmp_path / "run" / "results.json").read_text().strip()
    assert (printed.verdict, printed.target) == ("passed", "reference-virtual")
    for arm in printed.trials[0].arms:
        assert (tmp_path / "run" / arm.journal).is_file()
    assert (tmp_path / "junit.xml").read_text().startswith("<?xml")
    assert mlchaos("recover", "run").out == "nothing to recover\n"
    again = mlchaos("report", "run", "--json")
    assert (again.code, again.out) == (0, outcome.out)
    journal = read(tmp_path / "run" / "calm-1" / "journal-defended.jsonl").path
    with JournalWriter.reopen(journal) as writer:
        writer.write(Undone(day=2.0, id="a-1", outcome="failed", says="no answer"))
    assert exit_code(printed, tmp_path / "run") == 4
    damaged = mlchaos("report", "run", "--json")
    assert damaged.code == 0
    assert "journal-defended.jsonl:" in damaged.err
    assert "the undo of a-1 failed: no answer" in damaged.err


def test_run_refuses_what_the_target_cannot_do_and_suite_lists_it(mlchaos: Command, tmp_path: Path) -> None:
    slow = "[{fault: latency, with: {link: serving-features, delay_ms: 100ms}, at: 1d, for: 0.5d}]"
    (tmp_path / "scenarios").mkdir()
    file = tmp_path / "scenarios" / "calm.yaml"
    file.write_text(CALM.replace("kind: quiet", "kind: demonstration") + f"faults: {slow}\ntags: [only]\n")
    (tmp_path / "mine.yaml").write_text("target: mine\nextends: reference-virtual\ntoxics: [timeout]\n")
    refused = mlchaos("run", "calm", "--target", "mine.yaml")
    assert refused.code == 3
    assert "calm.yaml:" in refused.err
    assert "faults.0: target 'mine' lacks what this needs: toxic latency" in refused.err
    assert not (tmp_path / "runs").exists()
    listed = mlchaos("plan", "calm", "--target", "mine.yaml")
    assert (listed.code, listed.out.splitlines()[0]) == (0, "calm: not run; the target lacks toxic latency")
    suite = mlchaos("suite", "only", "--target", "mine.yaml", "--json")
    assert '"toxic latency"' in suite.out
    assert '"trials": []' in suite.out


def test_no_steady_state_is_void(mlchaos: Command, tmp_path: Path) -> None:
    (tmp_path / "calm.yaml").write_text(CALM.replace("at_least: 0.9", "at_least: 1.1"))
    outcome = mlchaos("run", "calm.yaml", *VIRTUAL, "--out", "run", "--arms", "defended")
    assert outcome.code == 2
    assert "steady state" in outcome.out


def test_ctrl_c_ends_a_run_in_virtual_time(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text(CALM.replace("days: 2d", "days: 90d"))
    process = begin("run", "long.yaml", *VIRTUAL, "--out", "run", "--seeds", "1..50", folder=tmp_path)
    try:
        while not list((tmp_path / "run").glob("calm-*/journal-*.jsonl")) and process.poll() is None:
            process.poll()
        process.send_signal(signal.SIGINT)
        outcome = complete(process, seconds=60)
    finally:
        process.kill()
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    said = [phase.phase for path in (tmp_path / "run").rglob("journal-*") for phase in read(path).of(Phase)]
    assert "interrupted" in said
    assert "done" in said
    children = (tmp_path / "run" / "processes.jsonl").read_text()
    assert '"worker"' in children
    assert children.endswith('{"what":"closed"}\n')


@pytest.mark.parametrize(
    ("key", "value", "host"),
    [("broker", "kafka:9092", "kafka"), ("peer", "'[2001:db8::1]:1'", "2001:db8::1")],
)
def test_a_host_of_one_word_or_of_version_6_is_one_too(
    mlchaos: Command, tmp_path: Path, key: str, value: str, host: str
) -> None:
    text = f"target: far\nextends: reference-virtual\ndriver:\n  stack: {{{key}: {value}}}\n"
    (tmp_path / "far.yaml").write_text(text)
    assert f"'{host}' is not on loopback" in mlchaos("validate", "far.yaml").err
