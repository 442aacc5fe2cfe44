"""A test in containers that lacks an image says which: skipped by name, and failed in CI."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NoReturn

import pytest
from docker.errors import ImageNotFound

from tests.containers import image_or_skip


def absent(image: str) -> NoReturn:
    raise ImageNotFound(image)


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_an_image_that_is_not_there(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    client = SimpleNamespace(images=SimpleNamespace(get=absent, pull=absent))
    with pytest.raises(outcome, match="containers: image 'some:1' is not here and cannot be pulled"):
        image_or_skip(client, "some:1")  # type: ignore[arg-type]


def test_one_that_is_there() -> None:
    client = SimpleNamespace(images=SimpleNamespace(get=str, pull=absent))
    image_or_skip(client, "some:1")  # type: ignore[arg-type]
