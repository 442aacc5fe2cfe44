"""The embedded network proxy, which speaks Toxiproxy's HTTP API.

    python -m chaos.proxies.network --port 0      prints {"api": "127.0.0.1:PORT"} when it is ready

How a byte travels (one connection, one direction; the other direction mirrors it):

    Side ──▶ Link: [Stage ▶ Stage ▶ …] ──▶ Side
    (client)       one per toxic           (upstream)

Where a link has no toxic, bytes go from the reading socket to the writing one without Python in between.
"""
