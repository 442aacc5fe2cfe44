from reference_stack.layers.contract import GREEN
from reference_stack.layers.evidence import Retrain
from reference_stack.layers.hold import Hold, HoldParameters


def ask(held_cycles: int, cycles: int = 3, **gates: str):
    return Hold(HoldParameters(cycles=cycles)).decide(Retrain(day=4.1, red=gates, held_cycles=held_cycles))


def test_lets_retraining_pass_while_all_gates_are_green():
    assert ask(0) == GREEN
    assert ask(9) == GREEN


def test_holds_on_one_red_gate_and_names_it():
    decision = ask(0, volume="0 of 4500 rows")
    assert decision.fired
    assert decision.acts
    assert "volume" in decision.says


def test_asks_for_a_person_from_the_third_held_cycle_on_and_goes_on_holding():
    before, after, long_after = (ask(n, volume="x") for n in (2, 3, 30))
    assert before.detail["overdue"] == 0
    assert after.detail["overdue"] == 1
    assert after.says != before.says
    assert before.acts
    assert after.acts
    assert long_after.acts


def test_how_many_cycles_is_a_parameter():
    assert ask(1, cycles=1, volume="x").detail["overdue"] == 1


def test_how_long_it_has_held_is_in_the_detail():
    assert ask(2, volume="x").detail == {"held_cycles": 2, "overdue": 0}
    assert ask(3, volume="x").detail == {"held_cycles": 3, "overdue": 1}
