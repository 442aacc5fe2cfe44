"""Evaluation: a challenger is judged on the newest day, which it was not trained on, before it is admitted.

Off: whatever was fitted is registered. On: a model that is not finite, worse than popularity, too good to be
true or far worse than the champion is not registered, and the champion stays.
"""

from __future__ import annotations

import math
from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Challenger


class EvaluationParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of what a healthy challenger shows; z: mean difference of NDCG per view ÷ its standard error.

    Of 64 fault-free days of the presets `default`, `starved` and `rich` the lowest z against popularity was
    3.3, the lowest against the champion −3.4 (the logged slates favour the champion: a limit of −2 blocks
    healthy retraining) and the highest training AUC 0.83. `min_views` is the fewest views with a click by
    which anything is judged.
    """

    min_z_popularity: float = 0.0
    min_z_champion: float = -6.0
    max_auc: float = 0.9
    min_views: int = 20


class Evaluation:
    """Acts on the first of: not finite, leakage, below popularity, far below the champion."""

    name: ClassVar[str] = "evaluation"
    hook: ClassVar[Hook] = Hook.CHALLENGER
    Parameters: ClassVar[type[msgspec.Struct]] = EvaluationParameters

    def __init__(self, parameters: EvaluationParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Challenger) -> Decision:
        """Red where a limit is passed; green where there are too few views to say so."""
        limits = self._parameters
        if not evidence.finite:
            return red("the model has weights that are not finite")
        if evidence.auc > limits.max_auc:
            return red(
                f"training AUC {evidence.auc:.3f} above {limits.max_auc:.3f}: a feature knows the answer",
                auc=evidence.auc,
            )
        if evidence.views < limits.min_views:
            return GREEN
        if not math.isfinite(evidence.ndcg) or math.isnan(evidence.z_popularity):
            return red("the model gives scores that are not finite")
        if evidence.z_popularity < limits.min_z_popularity:
            return red(
                f"below popularity: z {evidence.z_popularity:.1f} under {limits.min_z_popularity:.1f}",
                z_popularity=evidence.z_popularity,
            )
        if evidence.z_champion is not None and evidence.z_champion < limits.min_z_champion:
            return red(
                f"far below the champion: z {evidence.z_champion:.1f} under {limits.min_z_champion:.1f}",
                z_champion=evidence.z_champion,
            )
        return GREEN
