"""Takes in shoppers' events, keeps every one that it acknowledged, and writes a partition for each day."""
