"""results.json, ablation.json and comparisons: stable, versioned and documented in docs/results.md."""

from __future__ import annotations

from pathlib import Path

from chaos.domain.ablation import Ablation
from chaos.domain.comparison import Comparison
from chaos.domain.verdict import Results
from chaos.whole import write_whole


def dumps(results: Results | Ablation | Comparison) -> str:
    """The text of the file, `schema` first, ending in a line break."""
    return results.model_dump_json(by_alias=True, indent=1) + "\n"


def write_json(results: Results, path: Path) -> None:
    """Write results.json."""
    write_whole(path, dumps(results))
