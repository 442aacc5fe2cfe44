"""Benchmarks: each a module of its own, run with `python -m`."""
