"""Imported by the process that workers are forked from, and by nobody else: it ends with its runner."""

from __future__ import annotations

import os

from chaos.runner.parents import RUNNER, end_with

if RUNNER in os.environ:
    end_with(int(os.environ.pop(RUNNER)))
