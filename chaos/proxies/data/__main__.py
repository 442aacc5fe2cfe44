"""`python -m chaos.proxies.data`: the data proxy as a program of its own."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from chaos.clock import WallClock
from chaos.domain.data_toxics.table import rehearse
from chaos.errors import UsageError
from chaos.proxies.data.server import ApiError, DataProxy, LinkRequest, make_server, ready_line


def _link_of(text: str, day_seconds: float) -> LinkRequest:
    """Raises ApiError for what is not NAME=SOURCE:SINK."""
    name, _, folders = text.partition("=")
    source, _, sink = folders.partition(":")
    if not (name and source and sink) or "://" in folders:
        raise ApiError(400, f"--link {text}: write NAME=SOURCE:SINK, two folders")
    return LinkRequest(name, source, sink, day_seconds)


def main() -> int:
    """Serve until SIGTERM, or until standard input closes where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m chaos.proxies.data", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--until-stdin-closes", action="store_true")
    parser.add_argument(
        "--link", action="append", default=[], metavar="NAME=SOURCE:SINK", help="a link to begin with"
    )
    parser.add_argument("--day-seconds", type=float, default=1.0, help="of these links")
    parser.add_argument("--root", type=Path, help="the folder in which all sources and sinks are to be")
    options = parser.parse_args()
    try:
        proxy = DataProxy(WallClock(), options.root)
        for link in options.link:
            proxy.create(_link_of(link, options.day_seconds))
        server = make_server(proxy, options.host, options.port)
    except (ApiError, OSError, OverflowError) as error:
        parser.exit(UsageError.exit_code, f"{error}\n")

    def end(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    if options.until_stdin_closes:

        def wait() -> None:
            sys.stdin.buffer.read()
            end()

        threading.Thread(target=wait, daemon=True).start()
    proxy.start()
    sys.stdout.write(ready_line(server) + "\n")
    sys.stdout.flush()
    threading.Thread(target=rehearse, daemon=True, name="rehearsal").start()
    try:
        server.serve_forever(poll_interval=0.05)
    finally:
        server.server_close()
        proxy.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
