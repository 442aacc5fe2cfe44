"""K9s: a small but real online shop with a recommender, the system that the scenarios break."""
