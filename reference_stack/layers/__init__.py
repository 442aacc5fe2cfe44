"""Defensive layers, one file each: a pure decision and its parameters."""
