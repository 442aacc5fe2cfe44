"""The catalogue of toxics, and the page that describes it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.proxies.network import toxics

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "network-proxy.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("toxic", toxics.TOXICS, ids=lambda toxic: toxic.type)
def test_each_toxic_has_a_file_of_its_name_and_a_row(toxic: type) -> None:
    kind = toxic.type  # type: ignore[attr-defined]
    assert toxic.__module__ == f"chaos.proxies.network.toxics.{kind}"
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |")]
    for attribute in dataclasses.fields(toxic):
        assert f"`{attribute.name}`" in row


def test_every_file_is_in_the_catalogue() -> None:
    files = {path.stem for path in Path(toxics.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == set(toxics.by_type())


def test_two_toxics_of_one_type_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toxics, "TOXICS", (*toxics.TOXICS, toxics.Noop))
    with pytest.raises(ValueError, match="two toxics have the type 'noop'"):
        toxics.by_type()


def test_every_option_is_described() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "chaos.proxies.network", "--help"], capture_output=True, text=True, check=True
    ).stdout
    options = {word.strip("[],") for word in help_text.split() if word.strip("[]").startswith("--")}
    for option in options - {"--help"}:
        assert f"`{option}`" in PAGE
