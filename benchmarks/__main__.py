"""`python -m benchmarks`: the tables of the proxy, of real processes and of virtual time, in turn."""

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
