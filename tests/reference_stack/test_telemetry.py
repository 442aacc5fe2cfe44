from __future__ import annotations

from reference_stack.telemetry import Metrics


def test_a_counter_is_told_to_its_last_digit() -> None:
    metrics = Metrics()
    metrics.set("rows_total", 1_234_567.0)
    metrics.set("share", 1 / 3)
    metrics.set("largest", 1.7976931348623157e308)
    metrics.set("version", 17)
    assert metrics.render().splitlines() == [
        "largest 1.79769e+308",
        "rows_total 1234567",
        "share 0.333333",
        "version 17",
    ]
