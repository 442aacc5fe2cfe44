from __future__ import annotations

import gc

from reference_stack.registry.environment import uncollected


def test_collections_stop_for_a_while_and_go_on_as_before() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
