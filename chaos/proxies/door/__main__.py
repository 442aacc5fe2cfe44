"""`python -m chaos.proxies.door`: the door as a program of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sys

from chaos.clock import WallClock
from chaos.errors import UsageError
from chaos.proxies.door.server import Door


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m chaos.proxies.door", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="where CONNECT is answered")
    parser.add_argument("--to", nargs="*", default=[], metavar="HOST", help="neighbours to let in to")
    parser.add_argument(
        "--forward", nargs="*", default=[], metavar="PORT=HOST:PORT", help="ports handed on as they are"
    )
    options = parser.parse_args()
    try:
        forwards = dict(map(_forward_of, options.forward))
        return asyncio.run(_serve(Door(options.to, forwards, WallClock()), options.host, options.port))
    except (UsageError, OSError, OverflowError) as error:
        parser.exit(UsageError.exit_code, f"{error}\n")


def _forward_of(text: str) -> tuple[int, str]:
    """Raises UsageError for what is not PORT=HOST:PORT."""
    here, _, there = text.partition("=")
    if not (here.isascii() and here.isdigit() and re.fullmatch(r".+:[0-9]{1,5}", there)):
        raise UsageError(f"--forward {text}: write PORT=HOST:PORT")
    return int(here), there


async def _serve(door: Door, host: str, port: int) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    bound = await door.start(host, port)
    sys.stdout.write(json.dumps({"api": f"{host}:{bound}"}) + "\n")
    sys.stdout.flush()
    await ended.wait()
    await door.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
