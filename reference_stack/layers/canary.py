"""Canary: a challenger answers half of the customers beside the champion, and is taken back if it does worse.

Off: an admitted version is champion for everybody at once. On: one stage with one metric, declared here
beforehand: the share of views that were **answered in time and clicked**. Errors, lateness and bad slates all
lower it.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Annotated, ClassVar

import msgspec

from reference_stack.layers.contract import Decision, Hook, red
from reference_stack.layers.evidence import CanaryStage, Outcomes

_LEAST_SHARE_OF_STAGE = 0.05


class CanaryParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stage lasts `stage_days`, and up to `longest_days` until the challenger has `min_points` views; for
    one with none at all, while the champion has twice as many, nobody waits longer than `stage_days`. A
    challenger that is worse by `doubt_errors` standard errors then is looked at for as long again.

    `error_per_day` is the chance that an innocent challenger is taken back, over all looks at one stage. A
    nightly run of every scenario over five seeds has some 2,500 stages in each arm: ten times the default
    would take an innocent one back every other night.
    """

    stage_days: float = 0.25
    longest_days: float = 0.9
    min_points: int = 50
    doubt_errors: float = 2.0
    error_per_day: Annotated[float, msgspec.Meta(gt=0.0, le=0.5)] = 0.00002


class Canary:
    """Acts when the challenger is worse beyond the boundary; detail `done` says that the stage is over.

    The boundary is O'Brien and Fleming's (1979) over twice `stage_days`: early looks need far more evidence
    than the last, and together they spend the error of one look at the end. Chance is mostly gone once there
    is twice the evidence; a challenger that is worse is all the plainer.
    """

    name: ClassVar[str] = "canary"
    hook: ClassVar[Hook] = Hook.CANARY
    Parameters: ClassVar[type[msgspec.Struct]] = CanaryParameters

    def __init__(self, parameters: CanaryParameters) -> None:
        self._parameters = parameters
        self._last_look = -NormalDist().inv_cdf(parameters.error_per_day)

    def decide(self, evidence: CanaryStage) -> Decision:
        """Red where the challenger is worse, answers nothing, or has too few views to say when time is up."""
        p = self._parameters
        points, compared = evidence.challenger.asked, evidence.champion.asked
        least = max(p.min_points, 1)
        if not points and compared >= 2 * least and evidence.elapsed_days >= p.stage_days:
            return red(f"none of {compared} views was answered by it: no replica can load it", done=1.0)
        if min(points, compared) < least:
            if evidence.elapsed_days < p.longest_days:
                return Decision(fired=False, acts=False, says="", detail={"done": 0.0})
            return red(f"only {points} views in {evidence.elapsed_days:.2f} days: not judged", done=1.0)
        whole_days = min(2.0 * p.stage_days, max(p.stage_days, p.longest_days))
        elapsed_share = evidence.elapsed_days / whole_days if whole_days > 0.0 else 1.0
        share = max(_LEAST_SHARE_OF_STAGE, min(1.0, elapsed_share))
        limit = -self._last_look / math.sqrt(share)
        z = _z(evidence.challenger, evidence.champion)
        if z < limit:
            return red(
                f"{good(evidence.challenger):.0f} of {points} views answered in time and clicked, the "
                f"champion's {good(evidence.champion):.0f} of {compared}: z {z:.1f} under {limit:.1f}",
                z=z,
                done=1.0,
            )
        enough = evidence.elapsed_days >= (p.stage_days if z > -p.doubt_errors else whole_days)
        return Decision(fired=False, acts=False, says="", detail={"z": z, "done": float(enough)})


def good(outcomes: Outcomes) -> float:
    """Clicked views less the late ones: which of them were late is not known, so their share is taken off."""
    if not outcomes.asked:
        return 0.0
    return min(outcomes.clicked, outcomes.asked) * (1.0 - min(1.0, outcomes.late / outcomes.asked))


def _z(challenger: Outcomes, champion: Outcomes) -> float:
    """Difference of two shares over its standard error, pooled; 0 where all views went alike."""
    pooled = (good(challenger) + good(champion)) / (challenger.asked + champion.asked)
    error = math.sqrt(pooled * (1.0 - pooled) * (1.0 / challenger.asked + 1.0 / champion.asked))
    difference = good(challenger) / challenger.asked - good(champion) / champion.asked
    return difference / error if error > 0.0 else 0.0
