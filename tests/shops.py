"""A shop of somebody's own in this process, as docs/in-process.md shows one, for tests of what its code does."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from chaos.domain.verdict import Results, TrialResult
from tests.command import CALM, REPOSITORY, begin


def shown(first_line: str, page: str = "in-process.md") -> str:
    """A block of a page, by its first line."""
    text = (REPOSITORY / "docs" / page).read_text()
    (found,) = re.findall(rf"^```\w+\n# {re.escape(first_line)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(found)


def write_shop(folder: Path, *, before: str = "", after: str = "", code: Path | None = None) -> None:
    """The shop with code of a test around it, its target file, and `calm`, in which nothing happens to it."""
    text = f"{before}\n{shown('a stack of your own, in one process')}\n{after}\n"
    ((code or folder) / "our_shop.py").write_text(text)
    (folder / "shop.yaml").write_text(shown("mlchaos validate: target"))
    (folder / "calm.yaml").write_text(CALM)


def forking(folder: Path) -> None:
    """Have its arms share trunks."""
    file = folder / "shop.yaml"
    file.write_text(file.read_text().replace("kind: virtual,", "kind: virtual, forks: true,"))


def run(folder: Path, *options: object, code: Path | None = None, prelude: str = "") -> subprocess.Popen[str]:
    """`calm` on the shop, with a cache of the folder's own."""
    path = os.pathsep.join([str(REPOSITORY), str(code or folder)])
    environment = {"PYTHONPATH": path, "XDG_CACHE_HOME": str(folder / ".cache")}
    words = ("run", "calm.yaml", "--target", "shop.yaml", "--out", folder / "run", *options)
    return begin(*words, folder=folder, environment=environment, prelude=prelude)


def kept(folder: Path) -> int:
    """How many journals are in the cache."""
    return len(list((folder / ".cache").rglob("arms/*/*.jsonl")))


def trials(folder: Path) -> list[TrialResult]:
    """What came of the run, in its order."""
    return Results.model_validate_json((folder / "run" / "results.json").read_text()).trials


def reasons(folder: Path) -> str:
    """Why its first trial is what it is."""
    return "; ".join(reason.says for reason in trials(folder)[0].reasons)
