from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.shop import sample
from reference_stack.arrays import pack, unpack
from reference_stack.layers.evidence import Candidate
from reference_stack.orchestrator.admission import LINEAGE, examine
from reference_stack.ports import ModelVersion
from reference_stack.registry.naming import digest
from reference_stack.trainer.model import Model, fit
from reference_stack.world import World, preset


@pytest.fixture(scope="module")
def world() -> World:
    return World.draw(preset("starved"), 1)


@pytest.fixture(scope="module")
def model(world: World) -> Model:
    anything = np.tile(world.live_products(0)[:10], (len(world.customers), 1))
    return fit(sample(world, 0, anything, exploration=1.0), world.catalogue, 1)


def examined(world: World, artifact: bytes) -> Candidate:
    version = ModelVersion(1, "r", "s", 1.0, "")
    return examine(version, artifact, world.catalogue, 1.1, known_good=False)


def test_a_sound_model_is_asked_for_a_slate(world: World, model: Model) -> None:
    seen = examined(world, model.to_bytes())
    assert (seen.damage, seen.smoke, seen.products) == ("", "", len(model.products))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"segment_category": np.zeros((5, 6))}, "fit the catalogue: it knows 6 categories, there are 8"),
        ({"weights": np.full(9, np.nan)}, "its scores are not finite"),
    ],
)
def test_what_keeps_a_model_from_its_slate_is_said(
    world: World, model: Model, changed: dict[str, np.ndarray], says: str
) -> None:
    seen = examined(world, replace(model, **changed).to_bytes())
    assert seen.damage == ""
    assert says in seen.smoke


def test_bytes_that_are_no_whole_model_are_damage(world: World, model: Model) -> None:
    facts, arrays = unpack(model.to_bytes())
    del arrays["popularity"]
    assert "popularity" in examined(world, pack(facts, arrays)).damage
    few = replace(model, factors=model.factors[:5])
    assert "factors" in examined(world, few.to_bytes()).damage


def test_what_else_is_known_of_a_version_is_its_age_its_checksum_and_its_lineage(
    world: World, model: Model
) -> None:
    artifact = model.to_bytes()
    whole = ModelVersion(1, "r", "s", 0.6, digest(artifact), dict.fromkeys(LINEAGE, "x"))
    seen = examine(whole, artifact, world.catalogue, 1.1, known_good=True)
    assert (seen.age_days, seen.checksum_fits, seen.lacks) == (pytest.approx(0.5), True, ())
    other = ModelVersion(1, "r", "", 0.6, digest(b"other"), {**dict.fromkeys(LINEAGE, "x"), "due": ""})
    seen = examine(other, artifact, world.catalogue, 1.1, known_good=True)
    assert (seen.checksum_fits, seen.lacks) == (False, ("snapshot", "due"))
