from __future__ import annotations

from pathlib import Path

import pytest

from chaos.drivers.fake import FakeDriver
from tests.games import Agenda, Game
from tests.harness import shoppers


@pytest.fixture
def game(tmp_path: Path) -> Game:
    return Game(tmp_path, Agenda(), FakeDriver(shoppers))
