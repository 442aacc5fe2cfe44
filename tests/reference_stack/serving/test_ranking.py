from __future__ import annotations

import msgspec
import numpy as np
import pytest

from benchmarks.shop import Release, Shop
from reference_stack.features.manifest import Manifest
from reference_stack.features.online import Online
from reference_stack.features.snapshot import customer_row, popularity_slate
from reference_stack.messages import LookupReply
from reference_stack.ports import Failed, ModelVersion
from reference_stack.serving.ranking import Ranking, filled
from reference_stack.trainer.model import ModelParameters, fit
from reference_stack.trainer.scorer import Scorer


@pytest.fixture
def ranking(shop: Shop, releases: list[Release]) -> Ranking:
    return Ranking(ModelVersion(1, "", "", 0.0, ""), releases[0].model, shop.world.catalogue, 0)


@pytest.fixture
def nobody(shop: Shop, releases: list[Release]) -> LookupReply:
    """A customer of whom nothing is known."""
    affinities = releases[0].snapshot.category.shape[1] + releases[0].snapshot.content.shape[1]
    return LookupReply("s", 0.0, [], [], [0.0] * affinities, True)


def test_popularity_is_that_of_the_snapshot(shop: Shop, releases: list[Release], ranking: Ranking) -> None:
    expected = popularity_slate(releases[0].snapshot, shop.world.live_products(0), 10)
    assert ranking.popular(10).tolist() == expected.tolist()


def test_products_that_the_model_does_not_know_say_nothing(ranking: Ranking, nobody: LookupReply) -> None:
    strange = msgspec.structs.replace(nobody, products=[-7, -1, 10**9], values=[5.0, 5.0, 5.0])
    assert ranking.slate(strange, 2, 10).tolist() == ranking.slate(nobody, 2, 10).tolist()


def test_of_some_unknown_products_only_the_known_count(ranking: Ranking, nobody: LookupReply) -> None:
    first, second = ranking.model.products[:2].tolist()
    known = msgspec.structs.replace(nobody, products=[first, second], values=[9.0, -9.0])
    mixed = msgspec.structs.replace(nobody, products=[first, 10**9, second], values=[9.0, 5.0, -9.0])
    assert ranking.slate(mixed, 2, 10).tolist() == ranking.slate(known, 2, 10).tolist()
    alone = msgspec.structs.replace(nobody, products=[second], values=[1e6])
    assert ranking.slate(alone, 2, 10).tolist() != ranking.slate(nobody, 2, 10).tolist()


def test_the_worst_are_the_others_end(ranking: Ranking, nobody: LookupReply) -> None:
    everything = ranking.slate(nobody, 2, len(ranking.live)).tolist()
    candidates = [product for product in everything if product in ranking.model.products]
    assert ranking.worst(nobody, 2, 10).tolist() == candidates[::-1][:10]


def test_features_of_another_shape_are_refused(ranking: Ranking, nobody: LookupReply) -> None:
    with pytest.raises(Failed):
        ranking.slate(msgspec.structs.replace(nobody, affinities=[0.0]), 2, 10)
    with pytest.raises(Failed):
        ranking.slate(msgspec.structs.replace(nobody, products=[1]), 2, 10)


def test_segments_count_and_unknown_ones_are_averaged(ranking: Ranking, nobody: LookupReply) -> None:
    slates = {tuple(ranking.slate(nobody, segment, 10).tolist()) for segment in range(5)}
    assert len(slates) > 1
    assert ranking.slate(nobody, -1, 10).tolist() == ranking.slate(nobody, 99, 10).tolist()


def test_a_model_that_knows_nothing_shows_what_is_new(shop: Shop) -> None:
    nothing = shop.partitions[0].where(np.zeros(len(shop.partitions[0]), dtype=bool))
    model = fit(nothing, shop.world.catalogue, 0, ModelParameters())
    ranking = Ranking(ModelVersion(1, "", "", 0.0, ""), model, shop.world.catalogue, 0)
    newest = shop.world.live_products(0)[::-1][:10]
    assert ranking.popular(10).tolist() == newest.tolist()


def test_a_short_slate_is_filled_with_the_newest() -> None:
    live = np.arange(20, 40)
    assert filled(np.array([39, 22]), live, 5).tolist() == [39, 22, 38, 37, 36]
    assert filled(np.array([39, 22]), np.array([22, 39]), 5).tolist() == [39, 22]
    assert filled(np.array([1, 2, 3]), live, 3).tolist() == [1, 2, 3]


def test_a_slate_is_the_scorers(shop: Shop, releases: list[Release], ranking: Ranking) -> None:
    release, day = releases[0], 0
    live = shop.world.live_products(day)
    scorer = Scorer.of(release.model, shop.world.catalogue, day, live, release.snapshot.products)
    manifest = Manifest("s", day, 0.0, -1, [], [], 0, 0, 0, "", "b1")
    online = Online(manifest, release.snapshot)
    for customer in range(0, 300, 17):
        expected = scorer.slate(customer_row(release.snapshot, customer), 2)
        assert ranking.slate(online.lookup(customer), 2, 10).tolist() == expected.tolist()
