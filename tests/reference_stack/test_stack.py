"""The stack's own tests in virtual time, each from the warm-up of world `starved`, seed 1."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from reference_stack.collector.partition import sha256
from reference_stack.defaults import LAYERS
from reference_stack.ports import Rejected, Unreachable
from reference_stack.virtual import VirtualStack, factory

DUE_DAYS = 0.15
NOWHERE = Path("/nonexistent")
ALL_OFF = {"layers": {name: {"mode": "off"} for name in LAYERS}}


class Run:
    """A stack and what it has said."""

    def __init__(self, days: float, settings: Mapping[str, object] | None = None, seed: int = 1) -> None:
        given = {"world": "starved", **(settings or {})}
        self.stack: VirtualStack = factory(
            seed=seed, day_seconds=1.0, days=days, settings=given, root=NOWHERE
        )
        self.lines: list[str] = []
        self.stack.on_log(lambda _component, line: self.lines.append(line))

    def until(self, day: float) -> "Run":
        self.stack.advance(day)
        return self

    def logged(self, event: str, **fields: object) -> list[dict]:
        found = (json.loads(line) for line in self.lines if f'"event":"{event}"' in line)
        return [line for line in found if all(line[name] == value for name, value in fields.items())]

    def signals(self, layer: str) -> list[str]:
        return [line["signal"] for line in self.logged("signal", layer=layer) if line["signal"] != "reached"]

    def alerts(self) -> set[str]:
        return {line["name"] for line in self.logged("alert")}

    def champions(self) -> list[tuple[int, int]]:
        """(day of its cycle, version) of each flip of the champion: no cycle begins before its partition is due."""
        flips = self.logged("alias", alias="champion")
        return [(int((line["day"] - DUE_DAYS) // 1), line["version"]) for line in flips]

    def views(self, from_day: float, to_day: float) -> list[dict]:
        ticks = [line for line in self.logged("views") if from_day <= line["start_day"] < to_day]
        return [row for tick in ticks for row in tick["rows"]]

    def ask(self, component: str, operation: str, **body: object) -> tuple[int, dict]:
        replies: list[tuple[int, bytes]] = []
        self.stack.request(
            component, operation, json.dumps(body).encode(), lambda *reply: replies.append(reply)
        )
        self.stack.advance(self.stack.day() + 0.25, lambda: bool(replies))
        status, reply = replies[0]
        return status, json.loads(reply)


@pytest.fixture
def new_run():
    made: list[Run] = []

    def make(*args, **named) -> Run:
        made.append(Run(*args, **named))
        return made[-1]

    yield make
    for run in made:
        run.stack.close()


@pytest.fixture(scope="module")
def month():
    run = Run(28.0).until(28.0)
    yield run
    run.stack.close()


def hold_day(partition_day: int):
    name = f"day={partition_day}.parquet"
    return lambda file, data, _written, _now: None if file == name else [(file, data)]


# --- days without faults -----------------------------------------------------------------------------------

NORMAL = ("started", "begun", "done")  # begun: the canary takes its time, the cycle is over when it is


def test_a_month_without_faults_is_a_month_without_pages_and_holds(month):
    assert month.logged("alert") == []
    assert [line for line in month.logged("cycle") if line["state"] not in NORMAL] == []
    assert month.logged("error") == []
    assert month.logged("exit") == []


def test_the_champion_is_replaced_every_day(month):
    flips = month.champions()
    assert [day for day, _ in flips] == list(range(28))
    assert [version for _, version in flips] == list(range(flips[0][1], flips[0][1] + 28))


def test_every_version_is_trained_on_the_seven_days_before_it(month):
    for line in month.logged("version"):
        cycle = int(line["day"] // 1)
        assert [each["partition_day"] for each in line["partitions"]] == list(range(cycle - 7, cycle))
        assert line["due"] == list(range(cycle - 7, cycle))


def test_shoppers_are_served_well_and_come_back(month):
    rows = month.views(0, 28)
    views = sum(row["n"] for row in rows)
    assert 0.9 < views / (28 * 300) < 1.1
    assert sum(row["errors"] + row["slow"] + row["fallback"] for row in rows) < 0.002 * views
    assert 0.4 < sum(row["served_value"] for row in rows) / sum(row["best_value"] for row in rows) < 0.8
    assert {row["replica"] for row in rows} == {"serving-a", "serving-b"}


def test_every_row_acknowledged_is_in_a_partition(month):
    closed = {line["partition_day"]: line["rows"] for line in month.logged("partition", state="written")}
    delivered = {line["partition_day"]: line["rows"] for line in month.logged("partition", state="delivered")}
    assert list(closed) == list(range(-1, 27))
    assert closed == delivered


def test_two_runs_say_the_same_word_for_word(new_run):
    first, second = new_run(3.0).until(3.0), new_run(3.0).until(3.0)
    assert first.lines == second.lines
    assert len(first.lines) > 100


# --- faults --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("component", ["serving-a", "collector"])
def test_who_dies_in_a_canary_costs_an_innocent_challenger_a_few_hours(new_run, component):
    run = new_run(4.0)

    def begun() -> bool:
        return bool(run.logged("cycle", cycle=1, step="canary", state="begun"))

    run.stack.advance(3.0, begun)
    stage_day = run.stack.day()
    run.until(stage_day + 0.1)
    run.stack.kill(component)
    run.until(stage_day + 0.15)
    run.stack.start(component)
    run.until(4.0)
    assert [line["says"] for line in run.logged("cycle") if "taken back" in line["says"]] == []
    first, second, *_ = sorted(line["day"] for line in run.logged("alias", alias="champion"))
    assert first < 1.0
    assert stage_day + 0.25 < second < 2.2
    assert [day for day, _ in run.champions()][:3] == [0, 1, 2]


def test_a_replica_that_could_not_be_told_that_a_stage_is_over_is_told_later(new_run):
    def is_staged() -> bool:
        return run.stack.registry.resolve("challenger") is not None

    run = new_run(3.0).until(1.0)
    run.stack.advance(2.0, is_staged)
    run.stack.advance(run.stack.day() + 0.1)
    run.stack.link("orchestrator-serving-b").down()
    run.stack.advance(2.0, lambda: not is_staged())
    run.until(run.stack.day() + 0.02)
    assert run.stack.setting("serving-b", "canary") is True
    run.stack.link("orchestrator-serving-b").up()
    run.until(run.stack.day() + 0.1)
    assert run.stack.setting("serving-b", "canary") is False
    run.until(2.0)
    assert "version" not in run.alerts()


def test_a_partition_held_back_three_days_is_red_is_held_and_is_made_up_for(new_run):
    run = new_run(7.0)
    release = run.stack.folder("events").shape(hold_day(1))
    run.until(4.5)
    assert run.champions()[-1][0] == 1
    assert run.signals("volume")[:2] == ["fired", "acted"]
    assert run.signals("freshness")[:2] == ["fired", "acted"]
    assert run.signals("hold")[:2] == ["fired", "acted"]
    assert {"volume", "freshness", "hold", "hold_overdue"} <= run.alerts()
    assert run.ask("orchestrator", "status")[1]["held_cycles"] == 3
    assert run.stack.folder("events").held == [f"day={day}.parquet" for day in (1, 2, 3)]
    release()
    run.until(6.9)
    delivered = [line["partition_day"] for line in run.logged("partition", state="delivered")]
    assert delivered == [-1, 0, 1, 2, 3, 4, 5]
    # The one of day 4 is made up for in the evening, and stands its canary while the next one is made.
    assert [day for day, _ in run.champions()] == [0, 1, 5, 5, 6]
    trained = run.logged("version")[2]
    assert [each["partition_day"] for each in trained["partitions"]] == list(range(-3, 4))
    for layer in ("volume", "freshness", "hold"):
        assert run.signals(layer)[-1] == "cleared"
    assert {(a["name"], a["state"]) for a in run.logged("alert")} >= {("volume", "resolved")}


def test_with_all_layers_off_it_trains_on_the_hole(new_run):
    run = new_run(4.0, ALL_OFF)
    run.stack.folder("events").shape(hold_day(1))
    run.until(3.9)
    assert [day for day, _ in run.champions()] == [0, 1, 2, 3]
    trained = run.logged("version")[3]
    assert trained["due"] == list(range(-4, 3))
    assert 1 not in [each["partition_day"] for each in trained["partitions"]]
    assert run.logged("alert") == []
    assert run.logged("signal") == []


def test_a_rollback_is_an_alias_flip_and_takes_effect_at_once(new_run):
    run = new_run(3.0).until(1.5)
    (_, newest) = run.champions()[-1]
    status, reply = run.ask("orchestrator", "promote", version=newest - 1, by="ann")
    assert (status, reply["previous"]) == (200, newest)
    run.until(2.0)
    # Beside it answers the version of the day, which is in canary.
    assert {row["version"] for row in run.views(1.6, 1.95)} == {newest - 1, newest + 1}
    run.until(2.9)
    # Its stage began anew beside the version that is champion now, and took as long as any.
    begun = [line["day"] for line in run.logged("cycle", cycle=1, step="canary", state="begun")]
    assert len(begun) == 1
    by_hand, late, next_day = run.logged("alias", alias="champion")[-3:]
    assert [line["version"] for line in (by_hand, late, next_day)] == [newest - 1, newest + 1, newest + 2]
    assert late["day"] > 1.5 + 0.25


def test_a_replica_that_dies_costs_its_views_until_it_is_back(new_run):
    run = new_run(3.0).until(1.0)
    run.stack.kill("serving-a")
    run.until(1.5)
    assert not run.stack.running("serving-a")
    assert {row["replica"] for row in run.views(1.05, 1.45) if not row["errors"]} == {"serving-b"}
    assert {row["replica"] for row in run.views(1.05, 1.45) if row["errors"]} == {"serving-a"}
    assert {"meta", "burn"} <= run.alerts()
    run.stack.start("serving-a")
    run.until(2.5)
    later = run.views(1.6, 2.45)
    assert {row["replica"] for row in later} == {"serving-a", "serving-b"}
    assert sum(row["errors"] for row in later) == 0
    assert [line["component"] for line in run.logged("exit")] == ["serving-a"]


def test_a_registry_that_is_away_stops_the_cycle_and_no_view(new_run):
    run = new_run(3.0).until(0.9)
    run.stack.kill("registry")
    run.until(1.5)
    assert sum(row["errors"] + row["fallback"] for row in run.views(0.9, 1.5)) == 0
    assert {"meta", "cycle_failed"} <= run.alerts()
    run.stack.start("registry")
    run.until(2.9)
    # The one of day 1 begins its canary late, and ends it on day 2, as that of day 2 does after it.
    assert [day for day, _ in run.champions()] == [0, 2, 2]


def test_a_slow_way_to_the_registry_is_waited_for_as_on_real_processes(new_run):
    run = new_run(4.0).until(0.9)
    run.stack.link("orchestrator-registry").shape(lambda plan: plan.replace(down_ms=plan.down_ms + 190.0))
    run.until(4.0)
    assert [day for day, _ in run.champions()] == [0, 3]  # some ten answers a cycle, a fifth of a day each


def test_an_orchestrator_that_dies_in_its_cycle_goes_on_with_it(new_run):
    run = new_run(2.0).until(1.0)
    run.stack.advance(
        2.0,
        lambda: bool(run.logged("snapshot", snapshot=run.logged("snapshot")[-1]["snapshot"])[0]["day"] > 1),
    )
    run.stack.kill("orchestrator")
    run.stack.start("orchestrator")
    run.until(1.9)
    assert [day for day, _ in run.champions()] == [0, 1]
    assert len(run.logged("version")) == 2


def test_nothing_acknowledged_is_lost_when_the_collector_is_killed(new_run):
    run = new_run(2.0).until(0.5)
    run.stack.kill("collector")
    run.stack.start("collector")
    run.until(1.5)
    (written,) = run.logged("partition", state="written", partition_day=0)
    assert run.ask("collector", "acknowledged", partition_day=0) == (200, {"rows": written["rows"]})
    run.until(1.9)
    assert run.champions()[-1][0] == 1


# --- what the handle offers ----------------------------------------------------------------------------------


def test_a_recommendation_can_be_explained_down_to_its_partitions(new_run):
    run = new_run(2.0).until(1.5)
    status, slate = run.ask("serving-a", "recommend", view="probe", customer=3, segment=1)
    assert status == 200
    status, why = run.ask("serving-a", "explain", recommendation=slate["recommendation"])
    assert status == 200
    (version,) = run.logged("version", version=slate["version"])
    assert (why["run"], why["snapshot"]) == (version["run"], version["snapshot"])
    assert why["slate"] == slate["slate"]
    assert len(why["partitions"]) == 7
    inbox = run.stack.disk("inbox")
    assert why["partitions"] == {str(day): sha256(inbox.read(f"day={day}.parquet")) for day in range(-6, 1)}
    for reason in why["reasons"]:
        if not reason["explored"]:
            assert reason["score"] == pytest.approx(sum(reason["terms"].values()))


def test_settings_can_be_read_changed_and_set_back(new_run):
    run = new_run(1.0).until(0.1)
    assert run.stack.configure("orchestrator", "layers.hold.mode", "observe") == "enforce"
    assert run.stack.setting("orchestrator", "layers.hold.mode") == "observe"
    assert run.stack.configure("serving-a", "shell.workers", 4) == 2
    assert run.stack.configure("shop", "surge", 2.0) == 1.0
    with pytest.raises(Rejected):
        run.stack.setting("shop", "no_such")
    run.stack.pause("trainer")
    with pytest.raises(Unreachable):
        run.stack.setting("trainer", "rank")
    run.stack.resume("trainer")
    assert run.stack.setting("trainer", "rank") == 8


@pytest.mark.parametrize(
    ("component", "key"),
    [
        ("serving-a", "report_days"),
        ("serving-a", "refresh_days"),
        ("shop", "report_days"),
        ("monitor", "scrape_days"),
        ("monitor", "compare_days"),
        ("orchestrator", "audit_days"),
        ("orchestrator", "canary_look_days"),
        ("orchestrator", "lease_days"),
        ("features", "poll_days"),
    ],
)
def test_nothing_is_to_be_done_without_end(new_run, component, key):
    run = new_run(1.0).until(0.1)
    for value in (0.0, -1.0):
        with pytest.raises(Rejected):
            run.stack.configure(component, key, value)
    run.until(0.2)


def test_metrics_and_requests_past_every_link(new_run):
    run = new_run(1.0).until(0.5)
    assert 'requests_total{operation="recommend",status="200"}' in run.stack.metrics("serving-a")
    run.stack.kill("monitor")
    with pytest.raises(Unreachable):
        run.stack.metrics("monitor")
    assert run.ask("monitor", "health")[0] == 503
    assert run.ask("serving-a", "nothing")[0] == 404


@pytest.mark.parametrize("what", ["link", "folder", "start", "kill"])
def test_names_that_are_not_there_are_refused(new_run, what):
    run = new_run(1.0)
    with pytest.raises((KeyError, Unreachable), match="nothing"):
        getattr(run.stack, what)("nothing")


def test_the_registry_can_be_looked_at_and_flipped_past_its_door(new_run):
    run = new_run(1.0)
    run.stack.configure(
        "orchestrator", "layers.admission.mode", "off"
    )  # it would turn back what it has not let in
    run.until(0.5)
    registry = run.stack.registry
    newest = registry.resolve("champion")
    registry.set_alias("champion", newest - 2)
    run.until(0.7)
    # Beside it answers the version of the day, which is in canary until it is promoted.
    assert {row["version"] for row in run.views(0.6, 0.65)} <= {newest - 2, newest + 1}
    assert newest not in {row["version"] for row in run.views(0.6, 0.65)}
    assert registry.versions()[-1].version == newest + 1
    registry.drop_alias("previous")
    assert registry.resolve("previous") is None


def test_a_link_can_be_shaped(new_run):
    run = new_run(2.0).until(0.5)
    remove = run.stack.link("serving-features").shape(lambda plan: plan.replace(down_ms=plan.down_ms + 225.0))
    run.until(1.0)
    assert sum(row["fallback"] for row in run.views(0.55, 0.95)) > 0
    assert "fallback" in run.alerts()
    remove()
    run.until(1.5)
    assert sum(row["fallback"] for row in run.views(1.1, 1.5)) == 0


def test_purged_days_are_in_nothing_that_serves_and_the_day_is_trained_again(new_run):
    run = new_run(9.0).until(6.4)
    contaminated = run.champions()[-1][1]
    status, reply = run.ask("orchestrator", "purge", by="ann", days=[4, 5])
    assert (status, [check["partition_day"] for check in reply["purged"]]) == (200, [4, 5])
    back = run.champions()[-1][1]
    assert back < contaminated
    run.until(8.9)
    made = [line for line in run.logged("version") if line["day"] > 6.4]
    assert made
    for version in made:
        assert not {4, 5} & {check["partition_day"] for check in version["partitions"]}
        assert not {4, 5} & set(version["due"])
    assert run.champions()[-1][1] == made[-1]["version"]
    lineage = {
        line["version"]: {check["partition_day"] for check in line["partitions"]}
        for line in run.logged("version")
    }
    bad = {version for version, days in lineage.items() if days & {4, 5}}
    assert contaminated in bad
    assert not {row["version"] for row in run.views(6.7, 8.9)} & bad
    assert run.signals("volume") == []


def test_a_source_that_people_put_aside_is_in_no_later_model(new_run):
    run = new_run(6.0).until(3.4)
    assert run.ask("features", "quarantine", by="ann", sources=[1], from_day=3)[0] == 200
    run.until(5.5)
    used = [check for line in run.logged("version") if line["day"] > 3.4 for check in line["partitions"]]
    assert {check["partition_day"]: check["left_out"] for check in used}[4] == [1]
    assert all(check["left_out"] == ([1] if check["partition_day"] >= 3 else []) for check in used)
    assert run.ask("features", "quarantine", by="ann", sources=[1], from_day=3, release=True)[0] == 200
