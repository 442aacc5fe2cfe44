"""`python -m reference_stack fit`: costs of virtual time from the logs of live runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from reference_stack.costs import Costs, fitted_costs
from reference_stack.fitting import HEAD, fit_costs, held_longer, quantile
from reference_stack.settings import SettingsError
from reference_stack.traces import SETTLED_DAYS, read_traces

INVALID = 3


def main(arguments: Sequence[str]) -> int:
    """Print the table and, if asked, write the costs. Exits with 3 for folders that say nothing."""
    parser = argparse.ArgumentParser(prog="python -m reference_stack fit", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of live runs or of single arms")
    parser.add_argument("--out", type=Path, help="write the costs there, as JSON")
    parser.add_argument("--says", default="", help="when, where and from what: kept in the file")
    parser.add_argument("--settled-days", type=float, default=SETTLED_DAYS, help="leave out what is earlier")
    parser.add_argument("--onto", type=Path, help="the costs to begin with, in place of the stack's own")
    options = parser.parse_args(arguments)
    try:
        old = fitted_costs() if options.onto is None else _read(options.onto)
        traces = read_traces(options.folders, options.settled_days)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return INVALID
    costs, rows = fit_costs(traces, old, options.says)
    if not rows:
        sys.stderr.write(f"{traces.files} logs, and no times in them after day {options.settled_days:g}\n")
        return INVALID
    lines = [f"{traces.files} logs", "", HEAD, *map(str, rows), ""]
    for name, late in held_longer(traces).items():
        spread = ", ".join(f"{share:.0%} {quantile(late, share):.2f}" for share in (0.1, 0.5, 0.9))
        lines.append(f"{name}: a worker is held longer than drawn by, ms: {spread} ({len(late)} samples)")
    sys.stdout.write("\n".join(lines) + "\n")
    if options.out is not None:
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(costs), indent=2) + b"\n")
    return 0


def _read(file: Path) -> Costs:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Costs)
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error
