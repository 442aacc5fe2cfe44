"""What people and machines read of a run: terminal, live timeline, results.json, JUnit, HTML."""
