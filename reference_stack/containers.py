"""What a stack whose components run in containers of their own needs once: the state it starts from, its
links in a Toxiproxy server, and the common start.
"""

from __future__ import annotations

import http.client
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from reference_stack.registry.seeder import Seeder
from reference_stack.runtime import monotonic, stand_by
from reference_stack.settings import SettingsError, StackSettings
from reference_stack.shells.http import split_address
from reference_stack.shells.live import LOGS, read_origin, write_origin
from reference_stack.shop.component import LAST_DAY
from reference_stack.up import await_healthy
from reference_stack.warmup import Marker, lies_in, place, warm_store, warm_up_key
from reference_stack.wiring import FOLDERS, LINKS

ANSWER_SECONDS = 30.0
LEAD_SECONDS = 2.0
"""Between the start that is given and day 0: whoever brought the containers up has to find them meanwhile."""
_POLL_SECONDS = 0.1


def prepare(settings: StackSettings, toxiproxy: str | None) -> int:
    """Write the warm-up below the root, unless it is there, and have Toxiproxy know all links; the exit code.

    Raises SettingsError, also for a root whose stack has come to its end.
    """
    if not settings.root:
        raise SettingsError("root is empty")
    root = Path(settings.root)
    _given_start(settings)
    for name in (LOGS, *FOLDERS):
        (root / name).mkdir(parents=True, exist_ok=True)
    if toxiproxy:
        _populate(toxiproxy, settings)
    if not lies_in(root, settings.world, settings.seed):
        marker = Marker(settings.world, settings.seed, warm_up_key(settings.world, settings.seed))
        with closing(Seeder(root, settings.registry.database)) as seeder:
            store = warm_store(settings.world, settings.seed)
            place(store, root, marker, seeder.seed)
    return 0


def begin(settings: StackSettings, timeout_s: float) -> int:
    """Wait until all components are healthy and give them the start, unless it is given; the exit code.

    The last line on standard output is JSON: `origin`, the start in seconds of the monotonic clock, or
    `waiting`, the components that were not healthy in time. Raises SettingsError for a start that no stack
    can go on from.
    """
    origin = _given_start(settings)
    waiting = await_healthy(settings, timeout_s)
    if waiting:
        _say({"waiting": waiting})
        return 1
    if origin is None:
        origin = monotonic() + LEAD_SECONDS
        write_origin(Path(settings.root), origin)
    _say({"origin": origin})
    return 0


def _given_start(settings: StackSettings) -> float | None:
    """The start that volumes of before hold. Raises SettingsError where the days since are over."""
    origin = read_origin(Path(settings.root))
    if origin is None:
        return None
    ahead_seconds = origin - monotonic()
    days = min(settings.days, LAST_DAY)
    if ahead_seconds > LEAD_SECONDS:
        why = "began before this machine did"
    elif -ahead_seconds >= days * settings.day_seconds:
        why = f"has had its {days:g} days"
    else:
        return origin
    raise SettingsError(f"the stack in these volumes {why}: `docker compose down --volumes`, then up again")


def _say(message: object) -> None:
    sys.stdout.write(msgspec.json.encode(message).decode() + "\n")
    sys.stdout.flush()


def _populate(server: str, settings: StackSettings) -> None:
    """Have a proxy for each link, at the port that its callers use."""
    proxies = []
    for name, address in settings.links.items():
        if name in LINKS and split_address(address)[0] == split_address(server)[0]:
            listen = f"0.0.0.0:{split_address(address)[1]}"
            upstream = settings.addresses[LINKS[name].callee]
            proxies.append({"name": name, "listen": listen, "upstream": upstream})
    body = msgspec.json.encode(proxies)
    limit = monotonic() + ANSWER_SECONDS
    while True:
        connection = http.client.HTTPConnection(*split_address(server), timeout=5.0)
        try:
            connection.request("POST", "/populate", body=body)
            response = connection.getresponse()
            said = response.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            if monotonic() > limit:
                raise SettingsError(f"Toxiproxy at {server} does not answer: {error}") from error
            stand_by(_POLL_SECONDS)
            continue
        finally:
            connection.close()
        if response.status != 201:
            raise SettingsError(f"Toxiproxy at {server}: {response.status} {said}")
        return
