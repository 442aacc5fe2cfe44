"""Drivers: what brings a target up and makes changes to it."""
