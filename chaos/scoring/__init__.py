"""From journals to a verdict. Pure: no driver, no fault's code, nothing but what the journals hold."""

from __future__ import annotations

from chaos.scoring.trial import scenario_verdict, score_trial, verdict_of

__all__ = ["scenario_verdict", "score_trial", "verdict_of"]
