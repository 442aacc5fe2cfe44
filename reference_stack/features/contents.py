"""What is in a partition, column by column: what a contract is checked against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_stack.collector.partition import NUMBERS, TEXTS, Partition
from reference_stack.layers.evidence import ColumnContent, Contents


def contents(partition: Partition, arrays: Mapping[str, npt.NDArray[Any]]) -> Contents:
    """Nulls of each column, ends of those of numbers, rows that contradict themselves, repeated event ids."""
    read, clicked = ~np.isnan(arrays["dwell"]), arrays["clicked"] == 1
    return Contents(
        columns={
            **{name: _content(arrays[name]) for name in NUMBERS},
            **{name: ColumnContent(nulls=partition.table.column(name).null_count) for name in TEXTS},
        },
        contradictions=int((read != clicked).sum()),
        duplicates=partition.rows - len(partition.table.column("event_id").unique()),
    )


def _content(values: npt.NDArray[np.float64]) -> ColumnContent:
    nulls = int(np.count_nonzero(np.isnan(values)))
    if nulls == len(values):
        return ColumnContent(nulls=nulls)
    # These pass over nulls, as `nanmin` and `nanmax` do, which look for them a second time.
    return ColumnContent(nulls=nulls, low=float(np.fmin.reduce(values)), high=float(np.fmax.reduce(values)))
