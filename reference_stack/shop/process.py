"""How the shop is started as a process. Locust patches the standard library, so it has one of its own."""

from __future__ import annotations

import sys
from pathlib import Path


def command(settings_path: Path, *, say: bool = False) -> list[str]:
    """The command line of the shop's process.

    It answers at `addresses["shop"]`, begins when the file `origin` in the settings' `root` holds a value of
    the monotonic clock, and ends by itself after `days`, or on SIGTERM, with exit code 0. With `say` its log
    lines go to standard output.
    """
    return [
        sys.executable,
        "-m",
        "locust",
        *("--locustfile", str(Path(__file__).with_name("locustfile.py"))),
        *("--settings", str(settings_path)),
        *("--headless", "--only-summary", "--users", "1", "--spawn-rate", "1"),
        *("--exit-code-on-error", "0", "--stop-timeout", "0", "--loglevel", "WARNING"),
        *(["--say"] if say else []),
    ]
