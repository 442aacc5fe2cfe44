"""docs/data-contract.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reference_stack.collector.log import PER_ROW
from reference_stack.collector.partition import COLUMNS, NUMBERS, Partition, schema
from reference_stack.features.figures import figures, statistics
from reference_stack.features.manifest import Manifest
from reference_stack.layers.schema import SchemaParameters
from reference_stack.messages import ViewEvents
from reference_stack.settings import CollectorSettings, FeaturesSettings

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "data-contract.md").read_text()
STACK = [ROOT / "reference_stack" / name / "component.py" for name in ("collector", "features")]


def field_rows() -> dict[str, list[str]]:
    """The table of events: field → its other cells."""
    rows = (re.findall(r"[^|]+", line) for line in TEXT.splitlines() if line.startswith("| `"))
    cells = ([cell.strip() for cell in row] for row in rows)
    return {row[0].strip("`[]"): row[1:] for row in cells if len(row) == 5}


def test_every_field_of_an_event_is_listed_with_its_column_and_type() -> None:
    rows = field_rows()
    assert sorted(rows) == sorted(ViewEvents.__struct_fields__)
    columns = {field: column for column, field in PER_ROW.items()}
    for field, (column, kind, *_) in rows.items():
        assert column.strip("`") == columns.get(field, field)
        name = column.strip("`")
        assert kind == (
            "text" if name not in NUMBERS else {"int64": "whole", "double": "number"}[type_of(name)]
        )


def type_of(column: str) -> str:
    return str(schema().field(column).type)


def test_the_order_of_the_columns_is_that_of_the_file() -> None:
    listed = re.search(r"    event_id, view.*?\n\n", TEXT, re.DOTALL)
    assert listed is not None
    assert tuple(re.findall(r"\w+", listed[0])) == COLUMNS


@pytest.mark.parametrize(
    "value",
    [
        f"0 … {SchemaParameters().segments - 1} |",
        f"0 … {SchemaParameters().categories - 1} |",
        f"1 … {SchemaParameters().max_rows}:",
        f"0 … {SchemaParameters().max_dwell_s:.0f} seconds",
        f"0 … {SchemaParameters().max_age_days:.0f} days",
        f"−{SchemaParameters().price_limit:.0f} … {SchemaParameters().price_limit:.0f}",
        f"from {SchemaParameters().behind_days:.0f} day before now to {SchemaParameters().ahead_days} day after",
        f"`close_days` ({CollectorSettings().close_days})",
        f"D + {FeaturesSettings().due_days} (`due_days`)",
        f"{FeaturesSettings().max_late_days} day (`max_late_days`)",
        f"From D + {FeaturesSettings().missing_days} on it is missing",
        f"window ({FeaturesSettings().window_days} days)",
    ],
)
def test_figures_are_those_of_the_settings(value: str) -> None:
    assert value in TEXT


def test_every_field_of_the_manifest_statistic_and_metric_is_named() -> None:
    named = set(re.findall(r"`([a-z_0-9]+)(?:\{[^`]*)?`", TEXT))
    assert set(Manifest.__struct_fields__) <= named
    assert set(statistics(figures(Partition(schema().empty_table())), [])) <= named
    metrics = {
        name for path in STACK for name in re.findall(r'"((?:collector|features)_[a-z_]+)"', path.read_text())
    }
    assert len(metrics) > 15
    assert metrics <= named
