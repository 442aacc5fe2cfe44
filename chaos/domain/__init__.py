"""Frozen models, strict parsing and pure functions; no I/O besides reading the file that is parsed."""
