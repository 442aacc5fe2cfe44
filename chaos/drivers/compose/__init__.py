"""The compose driver: the target's components as containers, every link through a Toxiproxy among them."""
