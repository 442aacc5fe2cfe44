"""Plans trials, runs their arms, and undoes what was done."""
