"""Command line of the embedded network proxy."""

from __future__ import annotations

import argparse
import sys

from chaos.proxies.network.errors import ApiError
from chaos.proxies.network.server import Options, run


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m chaos.proxies.network",
        description="A network proxy that speaks Toxiproxy's HTTP API.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address of the API")
    parser.add_argument("--port", type=int, default=8474, help="port of the API; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="seed of toxicity, jitter and slices")
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end when standard input does, and so with the parent",
    )
    given = parser.parse_args()
    try:
        run(Options(given.host, given.port, given.seed, given.until_stdin_closes))
    except ApiError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
