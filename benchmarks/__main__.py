"""`python -m benchmarks`: every table that needs no container engine, one after the other."""

from __future__ import annotations

import subprocess
import sys

TABLES = ("network_proxy", "live", "virtual_time")

if __name__ == "__main__":
    sys.exit(
        max(
            subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
            for name in TABLES
        )
    )
