"""Imported by the process that workers are forked from: it imports what they will need, whatever that does.

A factory is somebody else's code. One that breaks as it is imported must not end that process, which nobody
asks why; a worker imports it again, and says so. What it prints is no part of anybody's standard output.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

WANTED = "MLCHAOS_PRELOAD"
"""Of the environment: the modules, with blanks between."""

with contextlib.redirect_stdout(sys.stderr):
    for _name in os.environ.get(WANTED, "").split():
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(_name)
