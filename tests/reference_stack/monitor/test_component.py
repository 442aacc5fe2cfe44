import pytest

from reference_stack.layers.contract import Mode
from reference_stack.layers.meta import Meta
from reference_stack.monitor.routing import Routing, read_routing
from reference_stack.monitor.rules import RULES
from reference_stack.settings import LayerSettings, SettingsError


def test_a_healthy_week_is_a_silent_week(tower):
    tower.live(7.0)
    assert tower.alerts() == []


def test_a_layer_that_objects_is_an_alert_until_it_is_clear(tower):
    tower.live(1.0)
    tower.set("features", "layer_fired", 1.0, layer="volume")
    tower.live(2.0)
    assert tower.metric("monitor", 'alerts_firing{severity="page"}') == 1
    assert tower.metric("monitor", 'alerts_firing{severity="ticket"}') == 0
    tower.set("features", "layer_fired", 0.0, layer="volume")
    tower.live(3.0)
    assert tower.alerts() == [("volume", "features", "firing"), ("volume", "features", "resolved")]
    assert tower.metric("monitor", 'alerts_firing{severity="page"}') == 0
    told = tower.logged("alert")[0]
    assert (told["category"], told["severity"], told["routed_to"]) == ("ML system", "page", "ml")
    assert told["layer"] == "volume"
    assert 1.0 < told["sent_day"] < 1.1


def test_a_teams_own_gate_is_a_ticket_and_an_answer_is_no_alert(tower):
    tower.set("features", "layer_fired", 1.0, layer="our_gate")
    tower.set("oncall", "layer_fired", 1.0, layer="people")
    tower.live(0.5)
    assert tower.alerts() == [("layer", "features", "firing")]
    told = tower.logged("alert")[0]
    assert (told["layer"], told["severity"]) == ("our_gate", "ticket")


def test_an_alert_that_cannot_be_delivered_is_sent_again(tower):
    tower.live(1.0)
    tower.machine.links["monitor-oncall"].down()
    tower.set("orchestrator", "hold_overdue", 1.0)
    tower.live(1.5)
    assert ("hold_overdue", "orchestrator", "firing") not in tower.alerts()
    tower.machine.links["monitor-oncall"].up()
    tower.live(2.0)
    assert tower.alerts().count(("hold_overdue", "orchestrator", "firing")) == 1


def test_a_silent_component_is_an_alert_after_a_fifth_of_a_day(tower):
    tower.live(1.0)
    tower.kill("features")
    tower.live(1.15)
    assert tower.alerts() == []
    tower.live(1.35)
    assert tower.alerts() == [("meta", "features", "firing")]
    says = [
        line["about"]
        for line in tower.logged("signal")
        if line["signal"] == "acted" and line["layer"] == "meta"
    ]
    assert says == ["features"]
    tower.start("features")
    tower.live(1.6)
    assert tower.alerts()[-1] == ("meta", "features", "resolved")


def test_a_link_that_loses_scrapes_is_silence_too(tower):
    tower.live(1.0)
    link = tower.machine.links["monitor-shop/scrape"]
    link.shape(lambda plan: plan.replace(lost_up=True))
    tower.live(1.5)
    assert tower.alerts() == [("meta", "shop", "firing")]


def test_a_clock_that_tells_another_day_is_told_from_silence(tower):
    tower.live(1.0)
    body = b'{"key": "clock_ahead_days", "value": 1.5}'
    tower.machine.request("collector", "configure", body, lambda *_: None)
    tower.live(1.3)
    assert tower.alerts() == [("meta", "clock of collector", "firing")]
    tower.machine.request("collector", "configure", body.replace(b"1.5", b"0.0"), lambda *_: None)
    tower.live(1.6)
    assert tower.alerts()[-1] == ("meta", "clock of collector", "resolved")


def test_features_that_are_not_the_stored_ones_are_an_alert_until_it_is_known_that_they_are(tower):
    tower.live(1.0)
    tower.set("serving-b", "row_value", 2.0)
    tower.live(1.2)
    assert tower.alerts() == [("skew", "monitor", "firing")]
    tower.set("serving-b", "row_value", 1.0)
    tower.machine.links["monitor-features/scrape"].down()
    tower.live(1.35)
    assert tower.alerts() == [("skew", "monitor", "firing")]
    tower.machine.links["monitor-features/scrape"].up()
    tower.live(1.6)
    assert tower.alerts() == [("skew", "monitor", "firing"), ("skew", "monitor", "resolved")]


def test_what_is_compared_by_nobody_is_compared_once_its_layer_is_on(tower):
    body = b'{"key": "layers.skew.mode", "value": "off"}'
    tower.machine.request("monitor", "configure", body, lambda *_: None)
    tower.set("serving-a", "row_value", 2.0)
    tower.live(1.0)
    assert tower.alerts() == []
    tower.machine.request("monitor", "configure", body.replace(b"off", b"enforce"), lambda *_: None)
    tower.live(1.3)
    assert tower.alerts() == [("skew", "monitor", "firing")]


def test_defaults_and_old_features_are_told_while_the_store_is_away(tower):
    tower.live(0.5)
    tower.machine.links["monitor-features/scrape"].down()
    tower.set("serving-a", "feature_age_days", 2.5)
    tower.live(0.65)
    told = [line for line in tower.logged("signal") if (line["layer"], line["signal"]) == ("skew", "fired")]
    assert [(line["about"], "2.50 days old" in line["says"]) for line in told] == [("serving-a", True)]
    for day in (0.7, 0.74, 0.78):
        tower.set("serving-b", "answers_total", 1000 * day)
        tower.set("serving-b", "answers_defaulted_total", 250 * day)
        tower.live(day)
    tower.live(0.9)
    told = [line for line in tower.logged("signal") if (line["layer"], line["signal"]) == ("skew", "fired")]
    assert [line["about"] for line in told] == ["serving-a", "serving-b"]
    assert "25% of" in told[-1]["says"]


def test_replicas_that_run_differently_are_an_alert_until_one_is_gone(tower):
    for name, version in (("orchestrator", "champion_version"), ("serving-a", "model_version")):
        tower.set(name, version, 3.0)
    tower.set("serving-b", "model_version", 2.0)
    tower.live(0.15)
    assert tower.alerts() == []
    tower.live(0.4)
    assert tower.alerts() == [("version", "monitor", "firing")]
    tower.kill("serving-b")
    tower.live(0.6)
    assert ("version", "monitor", "resolved") in tower.alerts()


def set_ahead(tower, days):
    body = f'{{"key": "clock_ahead_days", "value": {days}}}'.encode()
    tower.machine.request("monitor", "configure", body, lambda *_: None)


def test_a_clock_that_is_set_right_ends_what_it_had_said_and_delays_nothing(tower):
    tower.live(1.0)
    set_ahead(tower, 2.0)
    tower.live(1.5)
    set_ahead(tower, 0.0)
    tower.live(2.0)
    told = tower.alerts()
    ends = [("meta", about, "resolved") for name, about, state in told if state == "firing"]
    assert sorted(one for one in told if one[2] == "resolved") == sorted(ends)
    tower.kill("features")
    tower.machine.advance(2.4)
    silent = [("meta", about, "firing") for about in ("daily cycle", "features", "views")]
    assert sorted(tower.alerts()[len(told) :]) == silent


@pytest.mark.parametrize("still_from", [1.0, 1.03], ids=["while it waits for answers", "between two rounds"])
def test_a_monitor_that_stood_still_finds_nobody_silent_and_no_clock_wrong(tower, still_from):
    tower.live(still_from)
    tower.machine.process("monitor").pause()
    tower.live(1.6)
    tower.machine.process("monitor").resume()
    tower.live(2.0)
    assert {about for _, about, _ in tower.alerts()} == {"monitor"}  # on-call has missed it


def test_an_alert_that_is_over_is_forgotten_once_on_call_has_heard_so(tower):
    tower.live(1.0)
    tower.set("features", "layer_fired", 1.0, layer="volume")
    tower.live(1.2)
    assert [alert["delivered"] for alert in tower.kept_alerts()] == ["firing"]
    tower.set("features", "layer_fired", 0.0, layer="volume")
    tower.live(1.4)
    assert tower.kept_alerts() == []


def test_views_that_stop_and_a_cycle_that_stops_are_silence(tower):
    tower.live(1.0)
    tower.machine.advance(1.5)
    tower.machine.advance(2.5)
    acted = [
        line["about"]
        for line in tower.logged("signal")
        if line["signal"] == "acted" and line["layer"] == "meta"
    ]
    assert acted == ["views", "daily cycle"]


@pytest.mark.parametrize("begins_anew", [True, False])
def test_what_was_silent_is_not_taken_for_alive_by_a_monitor_that_was_away(tower, begins_anew):
    tower.live(1.0)
    tower.kill("features")
    tower.machine.advance(2.5)
    silent = [("meta", about, "firing") for about in ("features", "views", "daily cycle")]
    assert sorted(tower.alerts()) == sorted(silent)
    if begins_anew:
        tower.kill("monitor")
        tower.machine.advance(2.6)
        tower.start("monitor")
    else:
        tower.machine.process("monitor").pause()
        tower.machine.advance(2.65)
        tower.machine.process("monitor").resume()
    tower.machine.advance(4.5)
    assert [told for told in tower.alerts() if told[0] == "meta" and told[2] == "resolved"] == []


def test_a_registry_that_does_not_answer_is_silence(tower):
    tower.live(1.0)
    tower.registry.away = True
    tower.live(1.5)
    assert tower.alerts() == [("meta", "registry", "firing")]
    tower.registry.away = False
    tower.live(2.0)
    assert tower.alerts()[-1] == ("meta", "registry", "resolved")


def test_what_the_monitor_cannot_reach_is_counted(tower):
    tower.live(0.5)
    counts = [
        f"{what}_errors_total{about}"
        for what, about in (
            ("scrape", '{about="features"}'),
            ("scrape", '{about="registry"}'),
            ("comparison", '{about="serving-a"}'),
            ("notification", ""),
        )
    ]
    assert [tower.metric("monitor", count) for count in counts] == [None] * 4
    tower.registry.away = True
    for link in ("monitor-features/scrape", "monitor-oncall"):
        tower.machine.links[link].down()
    tower.live(0.7)
    assert all(tower.metric("monitor", count) >= 2 for count in counts)


def test_bad_views_burn_the_budget(tower):
    tower.live(3.0)
    tower.live(3.2, bad_share=0.5)
    assert tower.alerts() == []
    tower.live(3.6, bad_share=0.5)
    assert tower.alerts() == [("burn", "shop", "firing")]
    tower.live(4.5)
    assert tower.alerts()[-1] == ("burn", "shop", "resolved")


def test_a_few_bad_views_are_within_budget(tower):
    tower.live(7.0, bad_share=0.02)
    assert tower.alerts() == []


def test_layers_that_only_observe_page_nobody(new_tower):
    tower = new_tower(burn=Mode.OBSERVE, meta=Mode.OFF)
    tower.live(1.0)
    tower.kill("features")
    tower.live(3.0, bad_share=0.9)
    assert tower.alerts() == []
    assert {(line["layer"], line["signal"]) for line in tower.logged("signal")} >= {
        ("burn", "would_have_acted")
    }


class Restless(Meta):
    """A team's own layer."""

    name = "restless"


def restless(mode):
    """To it all that is watched is silent, always."""
    parameters = {"silence_days": 0.0, "grace": -1.0}
    return {"restless": LayerSettings(use=f"{__name__}:Restless", mode=mode, parameters=parameters)}


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE])
def test_what_a_layer_that_only_observes_calls_silent_is_watched_by_one_that_enforces(new_tower, mode):
    tower = new_tower(own=restless(mode))
    tower.live(1.0)
    body = b'{"key": "clock_ahead_days", "value": 1.5}'
    tower.machine.request("collector", "configure", body, lambda *_: None)
    tower.live(1.3)
    assert tower.alerts() == [("meta", "clock of collector", "firing")]
    tower.machine.advance(2.5)
    assert tower.alerts()[1:] == [("meta", "views", "firing"), ("meta", "daily cycle", "firing")]


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE])
def test_a_monitor_that_stood_still_forgives_silence_to_which_a_layer_only_would_object(new_tower, mode):
    tower = new_tower(own=restless(mode))
    tower.live(1.03)
    tower.machine.process("monitor").pause()
    tower.live(1.6)
    tower.machine.process("monitor").resume()
    tower.live(2.0)
    assert {about for _, about, _ in tower.alerts()} == {"monitor"}  # on-call has missed it


def test_of_who_is_silent_to_a_layer_that_only_observes_it_says_nothing_else(new_tower):
    tower = new_tower(own=restless(Mode.OBSERVE))
    tower.live(1.0)
    about = {line["about"] for line in tower.logged("signal") if line["layer"] == "restless"}
    assert {"orchestrator", "shop"} < about
    assert not {"clock of shop", "daily cycle", "views"} & about


def test_fallback_share_counts_a_replicas_answers(tower):
    for day in range(1, 49):
        tower.set("serving-a", "answers_total", 12.0 * day)
        tower.set("serving-a", "answers_fallback_total", 0.0 if day < 24 else 3.0 * (day - 24))
        tower.live(day / 24)
    assert tower.alerts() == [("fallback_share", "serving-a", "firing")]


def test_quarantine_share_counts_the_collectors_rows(tower):
    for day in range(1, 49):
        tower.set("collector", "collector_accepted_rows_total", 100.0 * day)
        nulls = 4.0 * day if day < 24 else 96 + 30.0 * (day - 24)
        tower.set("collector", "collector_quarantined_rows_total", nulls, reason="nulls")
        tower.set("collector", "collector_quarantined_rows_total", 1.0 * day, reason="types")
        tower.live(day / 24)
    assert tower.alerts() == [("quarantine_share", "collector", "firing")]


def test_a_restarted_monitor_neither_repeats_nor_forgets(tower):
    tower.set("orchestrator", "cycle_failed", 1.0)
    tower.live(1.0)
    tower.kill("monitor")
    tower.start("monitor")
    tower.live(2.0)
    tower.set("orchestrator", "cycle_failed", 0.0)
    tower.live(3.0)
    assert tower.alerts() == [
        ("cycle_failed", "orchestrator", "firing"),
        ("cycle_failed", "orchestrator", "resolved"),
    ]


def test_a_restarted_monitor_does_not_take_what_it_has_not_seen_for_well(tower):
    """An alert about a rate fires on: its counters have only just been looked at."""
    for day in range(24, 48):
        tower.set("collector", "collector_accepted_rows_total", 10.0 * day)
        tower.set("collector", "collector_quarantined_rows_total", 1.0 * day, reason="types")
        tower.live(day / 24)
    assert tower.alerts()[-1] == ("quarantine_share", "collector", "firing")
    tower.kill("monitor")
    tower.start("monitor")
    for day in range(48, 72):
        tower.set("collector", "collector_accepted_rows_total", 10.0 * day)
        tower.set("collector", "collector_quarantined_rows_total", 1.0 * day, reason="types")
        tower.live(day / 24)
    assert tower.alerts() == [("quarantine_share", "collector", "firing")]


def test_every_rule_has_a_receiver_and_a_name_of_its_own():
    routing = read_routing()
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert {routing.receiver(rule.category, rule.severity) for rule in RULES} <= {
        "ml",
        "data",
        "platform",
        "shop",
    }


def test_the_first_route_that_fits_counts(tmp_path):
    file = tmp_path / "routing.yaml"
    file.write_text(
        "default: everyone\nroutes:\n  - {category: model, severity: page, to: ann}\n  - {category: model, to: bob}\n"
    )
    routing = read_routing(str(file))
    assert isinstance(routing, Routing)
    assert [routing.receiver("model", "page"), routing.receiver("model", "ticket")] == ["ann", "bob"]
    assert routing.receiver("software", "page") == "everyone"


@pytest.mark.parametrize(
    ("route", "says"),
    [
        (
            "{category: ml system, to: a}",
            "routes.0.category: there is no category 'ml system' (did you mean 'ML system'?)",
        ),
        ("{severity: pgae, to: a}", "routes.0.severity: there is no severity 'pgae' (did you mean 'page'?)"),
    ],
)
def test_a_route_that_could_never_fit_is_refused(tmp_path, route, says):
    file = tmp_path / "routing.yaml"
    file.write_text(f"default: a\nroutes: [{route}]")
    with pytest.raises(SettingsError) as caught:
        read_routing(str(file))
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["default: [", "routes: []", "default: a\nrouts: []"])
def test_a_routing_file_that_cannot_be_used_is_named(tmp_path, text):
    file = tmp_path / "routing.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"routing\.yaml"):
        read_routing(str(file))
