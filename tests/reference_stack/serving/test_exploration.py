import numpy as np
import pytest

from reference_stack.serving.exploration import explore


def _explored(view: str, share: float, size: int = 10) -> tuple[list[int], list[int]]:
    slate = list(range(size))
    return slate, explore(1, view, share, slate, 0, 100)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_each_slot_is_explored_with_its_share_and_only_such_slots_change(share: float) -> None:
    views = 4000
    counts = np.zeros(10)
    shown = []
    for view in range(views):
        slate, explored = _explored(f"0-{view}", share)
        counts[explored] += 1
        kept = [slot for slot in range(10) if slot not in explored]
        assert [slate[slot] for slot in kept] == kept
        assert len(set(slate)) == 10
        shown += [slate[slot] for slot in explored]
    assert np.abs(counts / views - share).max() < 4.5 * np.sqrt(share * (1 - share) / views)
    if share < 0.1:
        assert min(shown) >= 10
        assert np.bincount(np.array(shown) // 10)[1:] == pytest.approx([len(shown) / 9] * 9, rel=0.4)


def test_the_extremes_of_exploration() -> None:
    assert _explored("0-1", 0.0) == (list(range(10)), [])
    slate, explored = _explored("0-1", 1.0)
    assert explored == list(range(10))
    assert slate != list(range(10))


def test_a_view_explores_the_same_slots_whatever_it_is_shown() -> None:
    first, second = list(range(10)), list(range(50, 60))
    assert explore(3, "5-17", 0.5, first, 0, 100) == explore(3, "5-17", 0.5, second, 0, 100) != []


def test_with_nothing_else_on_sale_the_slate_stays() -> None:
    slate = list(range(10))
    assert explore(1, "0-1", 1.0, slate, 0, 10) == list(range(10))
    assert slate == list(range(10))


def test_products_not_on_sale_may_stand_in_the_slate() -> None:
    slate = [3, 500, 7]
    explore(1, "0-1", 1.0, slate, 0, 10)
    assert len(set(slate)) == 3
    assert all(0 <= product < 10 for product in slate)
