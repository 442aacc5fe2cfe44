"""The shop: shoppers who arrive, look, click, leave and come back or not."""
