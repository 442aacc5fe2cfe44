from __future__ import annotations

from chaos.drivers.ends import Ends


def test_an_end_that_is_heard_of_late_was_asked_for_all_the_same() -> None:
    ends = Ends()
    ends.asked_for("trainer")
    assert ends.expected("trainer")


def test_one_that_was_asked_for_explains_one_end_only() -> None:
    ends = Ends()
    ends.asked_for("trainer")
    assert [ends.expected("trainer"), ends.expected("trainer")] == [True, False]
    assert not ends.expected("features")


def test_what_is_taken_down_ends_as_often_as_it_likes() -> None:
    ends = Ends()
    ends.all_of(["trainer"])
    assert [ends.expected("trainer"), ends.expected("trainer"), ends.expected("shop")] == [True, True, False]
