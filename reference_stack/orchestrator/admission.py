"""What admission is shown of a version: its artifact and its tags, looked at without trusting either."""

from __future__ import annotations

import numpy as np

from reference_stack.arrays import DamagedBytes
from reference_stack.layers.evidence import Candidate
from reference_stack.ports import ModelVersion
from reference_stack.registry.naming import digest
from reference_stack.trainer.model import Model
from reference_stack.trainer.scorer import Scorer
from reference_stack.world import Catalogue

LINEAGE = ("partitions", "due", "code", "configuration", "schema", "space_id")
"""Tags that a version of the stack's own trainer carries, besides its snapshot and day."""
EXAMINE = "orchestrator.examine"


def examine(
    version: ModelVersion, artifact: bytes, catalogue: Catalogue, day: float, *, known_good: bool
) -> Candidate:
    """The evidence for one version on a day."""
    lacks = tuple(name for name in LINEAGE if not version.tags.get(name))
    facts = Candidate(
        version=version.version,
        size_bytes=len(artifact),
        checksum_fits=digest(artifact) == version.sha256,
        age_days=day - version.trained_day,
        known_good=known_good,
        lacks=lacks if version.snapshot else ("snapshot", *lacks),
    )
    try:
        model = Model.from_bytes(artifact)
    except DamagedBytes as error:
        return replaced(facts, damage=str(error))
    repeated = len(np.unique(model.products)) != len(model.products)
    return replaced(
        facts,
        products=len(model.products),
        finite=model.is_finite(),
        space_fits=model.true_space_id() == model.space_id,
        smoke="its products are listed twice" if repeated else _smoke(model, catalogue, day),
    )


def replaced(facts: Candidate, **more: object) -> Candidate:
    """The evidence with more of it known."""
    known = {name: getattr(facts, name) for name in facts.__struct_fields__}
    return Candidate(**{**known, **more})


def _smoke(model: Model, catalogue: Catalogue, day: float) -> str:
    """Ask for a slate of a customer of whom nothing is known; empty where one comes."""
    if not len(model.products):
        return "it knows no product"
    misfit = model.misfit(catalogue)
    if misfit:
        return f"it does not fit the catalogue: {misfit}"
    scorer = Scorer.of(model, catalogue, day, catalogue.live(day), model.products)
    if not len(scorer.products):
        return "it knows no product that is on sale"
    return "" if np.isfinite(scorer.shared).all() else "its scores are not finite"
