"""A standing stack: brought up, looked at, taken down by hand."""
