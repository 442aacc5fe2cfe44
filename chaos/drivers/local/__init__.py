"""The local driver: the target's components as processes on loopback, every link through a proxy."""
