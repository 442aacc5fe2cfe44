"""Imported by the process that workers are forked from, and by nobody else: it ends with its runner, and what
it runs sees the environment of that.
"""

from __future__ import annotations

import os

from chaos.runner.imports import give_back
from chaos.runner.parents import RUNNER, end_with

if RUNNER in os.environ:
    end_with(int(os.environ.pop(RUNNER)))
    give_back()
