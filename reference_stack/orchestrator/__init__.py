"""Runs the day: deliver, check, build, train, promote; and the doors for promotions and pushes."""
