import json

import pytest

from reference_stack.layers.contract import GREEN, Decision, Hook, Mode, red, warn
from reference_stack.layers.evidence import Lack, Retrain
from reference_stack.layers.hold import Hold, HoldParameters
from reference_stack.layers.host import LayerHost, LayerSet, load
from reference_stack.settings import LayerSettings, SettingsError
from reference_stack.telemetry import Telemetry

HOLD = "reference_stack.layers.hold:Hold"


class FixedDay:
    day_seconds = 1.0

    def day(self) -> float:
        return 2.0


class Told:
    """A hold layer in its host, and what it has said."""

    def __init__(self, mode: Mode = Mode.ENFORCE) -> None:
        self.lines: list[str] = []
        self.telemetry = Telemetry("orchestrator", FixedDay(), self.lines.append)
        settings = LayerSettings(use=HOLD, mode=mode)
        self.host = LayerHost(load("hold", settings), settings, self.telemetry)

    def ask(self, *red: str, day: float = 2.0):
        return self.host.ask(Retrain(day=day, red=dict.fromkeys(red, "x"), held_cycles=0), day=day, about="d")

    def signals(self) -> list[str]:
        return [json.loads(line)["signal"] for line in self.lines]

    def fired(self) -> float:
        return self.telemetry.metrics.samples().get('layer_fired{layer="hold"}', 0.0)


def test_says_each_change_once():
    told = Told()
    for gates in ((), ("volume",), ("volume",), (), ()):
        told.ask(*gates)
    assert told.signals() == ["reached", "fired", "acted", "cleared"]


def test_reached_is_said_once_a_day():
    told = Told()
    for day in (2.0, 2.5, 3.1, 3.2):
        told.ask(day=day)
    assert told.signals() == ["reached", "reached"]


def test_observing_says_what_it_would_have_done_and_neither_acts_nor_alerts():
    told = Told(Mode.OBSERVE)
    decision = told.ask("volume")
    assert decision.fired
    assert not decision.acts
    assert told.signals() == ["reached", "fired", "would_have_acted"]
    assert told.fired() == 0.0


def test_off_is_not_asked():
    told = Told(Mode.OFF)
    assert told.ask("volume") == GREEN
    assert told.signals() == []


def test_switching_off_ends_its_alert_and_switching_on_says_it_anew():
    told = Told()
    told.ask("volume")
    assert told.fired() == 1.0
    assert told.host.configure("mode", "off") == "enforce"
    assert told.fired() == 0.0
    told.host.configure("mode", "enforce")
    told.ask("volume")
    assert told.signals() == ["reached", "fired", "acted", "fired", "acted"]


def test_parameters_are_checked_and_can_be_set_back():
    told = Told()
    assert told.host.configure("cycles", 5) == 3
    assert told.host.setting("cycles") == 5
    for key, value in (("cycles", "many"), ("cyles", 3), ("mode", "on")):
        with pytest.raises(SettingsError):
            told.host.configure(key, value)
    assert told.host.setting("cycles") == 5


@pytest.mark.parametrize(
    "use",
    [
        "reference_stack.layers.nowhere:Hold",
        "reference_stack.layers.hold:Nothing",
        "reference_stack.layers.hold",
        "reference_stack.layers.burn:Burn",
        "reference_stack.layers.hold:HoldParameters",
    ],
)
def test_a_layer_that_cannot_be_had_is_named(use):
    with pytest.raises(SettingsError, match="layer hold"):
        load("hold", LayerSettings(use=use))


@pytest.mark.parametrize(("word", "value"), [("hook", "retrian"), ("also", ("delivery", "challengr"))])
def test_a_layer_of_a_hook_that_nobody_asks_at_is_refused(monkeypatch, word, value):
    """It would never be asked, and a quiet run of it would be green."""
    monkeypatch.setattr(Hold, word, value, raising=False)
    with pytest.raises(SettingsError, match=r"layer hold: .*:Hold': hook '\w+' is none of row, delivery,"):
        load("hold", LayerSettings(use=HOLD))


def test_a_set_takes_the_layers_of_its_hooks_only():
    told = Told()
    settings = {
        "hold": LayerSettings(use=HOLD),
        "burn": LayerSettings(use="reference_stack.layers.burn:Burn"),
    }
    layers = LayerSet(settings, told.telemetry, (Hook.RETRAIN,))
    assert [host.name for host in layers.at(Hook.RETRAIN)] == ["hold"]
    assert layers.named("burn") is None


def test_what_left_the_window_is_cleared_once():
    told = Told()
    told.ask("volume")
    told.host.release("d", "left the window")
    told.host.release("d", "left the window")
    told.host.release("never seen", "left the window")
    assert told.signals() == ["reached", "fired", "acted", "cleared"]
    assert told.fired() == 0.0


def test_with_a_linger_it_clears_only_after_a_quiet_spell():
    told = Told()
    for day, gates in ((2.0, ("volume",)), (2.01, ()), (2.02, ("volume",)), (2.05, ()), (2.07, ())):
        evidence = Retrain(day=day, red=dict.fromkeys(gates, "x"), held_cycles=0)
        told.host.ask(evidence, day=day, linger_days=0.04)
        assert told.fired() == (0.0 if day > 2.06 else 1.0)
    assert told.signals() == ["reached", "fired", "acted", "cleared"]


# --- layers that act, or object, alone -------------------------------------------------------------------


class Lacking(Told):
    """A fallback layer, which acts on every lack and objects to many."""

    def __init__(self, mode: Mode = Mode.ENFORCE) -> None:
        self.lines: list[str] = []
        self.telemetry = Telemetry("serving-a", FixedDay(), self.lines.append)
        settings = LayerSettings(use="reference_stack.layers.fallback:Fallback", mode=mode)
        self.host = LayerHost(load("fallback", settings), settings, self.telemetry)

    def lack(self, share: float, cause: str = "", about: str = "features"):
        return self.host.ask(Lack("features", cause, last_good=True, share=share), day=2.0, about=about)

    def fired(self) -> float:
        return self.telemetry.metrics.samples().get('layer_fired{layer="fallback"}', 0.0)


def test_a_layer_that_only_acts_says_so_once_and_clears_and_raises_no_alert():
    told = Lacking()
    for share, cause in ((0.0, "TimedOut"), (0.001, "TimedOut"), (0.001, ""), (0.0, "")):
        told.lack(share, cause)
        assert told.fired() == 0.0
    assert told.signals() == ["reached", "acted", "cleared"]


def test_an_alert_ends_with_the_last_thing_that_is_objected_to():
    told = Lacking()
    told.lack(0.5, about="features")
    told.lack(0.5, about="model")
    assert told.fired() == 1.0
    told.lack(0.0, about="features")
    assert told.fired() == 1.0
    told.lack(0.0, about="model")
    assert told.fired() == 0.0


def test_what_is_objected_to_is_told_by_what_it_is_about():
    told = Told()
    told.ask("volume")
    assert told.host.objects("d")
    assert not told.host.objects("another day")
    told.ask()
    assert not told.host.objects("d")


def test_how_often_a_layer_was_asked_is_counted():
    told = Told()
    for _ in range(3):
        told.ask()
    assert told.telemetry.metrics.samples()['layer_reached_total{layer="hold"}'] == 3.0


def test_what_it_said_before_it_was_switched_off_is_forgotten():
    told = Told()
    told.ask("volume")
    assert told.host.said.acts
    told.host.configure("mode", "off")
    told.ask("volume")
    assert told.host.said == GREEN


def test_a_mode_that_is_set_again_changes_nothing():
    told = Told()
    told.ask("volume")
    told.host.configure("mode", "enforce")
    told.ask("volume")
    assert told.fired() == 1.0
    assert told.signals() == ["reached", "fired", "acted"]


def test_an_objection_of_a_clock_that_was_ahead_does_not_linger():
    told = Told()
    for day, gates in ((9.0, ("volume",)), (2.0, ())):
        evidence = Retrain(day=day, red=dict.fromkeys(gates, "x"), held_cycles=0)
        told.host.ask(evidence, day=day, linger_days=0.04)
    assert "cleared" in told.signals()


class TooMany:
    """A layer of somebody's own that names rows and sources."""

    name = "too_many"
    hook = Hook.ROW
    also = (Hook.DELIVERY,)
    Parameters = HoldParameters

    def __init__(self, _parameters: HoldParameters) -> None: ...

    def decide(self, _evidence: object) -> Decision:
        return Decision(fired=True, acts=True, says="too many", rows={2: "x"}, sources=(1,))


@pytest.mark.parametrize(("mode", "rows", "sources"), [("enforce", {2: "x"}, (1,)), ("observe", {}, ())])
def test_a_layer_that_observes_takes_no_row_and_no_source(mode, rows, sources):
    settings = LayerSettings(use="", mode=Mode(mode))
    host = LayerHost(TooMany, settings, Telemetry("features", FixedDay(), lambda _line: None))
    decision = host.ask(None, day=2.0)
    assert (decision.acts, decision.rows, decision.sources) == (mode == "enforce", rows, sources)
    assert host.said.sources == (1,)


class Parrot(TooMany):
    """Its evidence is its decision."""

    def decide(self, evidence: object) -> Decision:
        assert isinstance(evidence, Decision)
        return evidence


def test_a_warning_is_told_and_alerts_and_what_was_red_and_is_a_warning_still_is_not_clear():
    lines: list[str] = []
    telemetry = Telemetry("features", FixedDay(), lines.append)
    host = LayerHost(Parrot, LayerSettings(use=""), telemetry)
    for decision, firing in ((warn("late"), 1.0), (red("later"), 1.0), (warn("late"), 1.0), (GREEN, 0.0)):
        assert host.ask(decision, day=2.0) == decision
        assert telemetry.metrics.samples()['layer_fired{layer="too_many"}'] == firing
    signals = [json.loads(line)["signal"] for line in lines]
    assert signals == ["reached", "fired", "acted", "cleared"]


def test_a_layer_is_asked_at_each_of_its_hooks():
    telemetry = Telemetry("features", FixedDay(), lambda _line: None)
    settings = {"schema": LayerSettings(use="reference_stack.layers.schema:Schema")}
    for hook in (Hook.ROW, Hook.DELIVERY):
        layers = LayerSet(settings, telemetry, (hook,))
        assert [host.name for host in layers.at(hook)] == ["schema"]
