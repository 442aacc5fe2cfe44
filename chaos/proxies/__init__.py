"""Proxies: programs of their own that stand beside the harness and disturb what passes through them."""
