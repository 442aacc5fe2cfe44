"""All proxies of a server, by name."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.clock import Clock
from chaos.proxies.network.errors import ApiError, missing_field, proxy_exists, proxy_not_found
from chaos.proxies.network.proxy import Proxy


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """What a client says about a proxy: `listen` may be empty for any address."""

    name: str
    listen: str
    upstream: str
    enabled: bool


class Collection:
    """The proxies; no two share a name."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self._proxies: dict[str, Proxy] = {}

    def all(self) -> list[Proxy]:
        """Every proxy, sorted by name."""
        return [self._proxies[name] for name in sorted(self._proxies)]

    def get(self, name: str) -> Proxy:
        """The proxy of that name; raises ApiError (404)."""
        if name not in self._proxies:
            raise proxy_not_found()
        return self._proxies[name]

    async def create(self, spec: ProxySpec) -> Proxy:
        """A new proxy; raises ApiError (400, 409, 500)."""
        if not spec.name:
            raise missing_field("name")
        if not spec.upstream:
            raise missing_field("upstream")
        if spec.name in self._proxies:
            raise proxy_exists()
        return await self._put(spec)

    async def remove(self, name: str) -> None:
        """Stop and forget a proxy; raises ApiError (404)."""
        await self.get(name).stop()
        del self._proxies[name]

    async def populate(self, specs: list[ProxySpec]) -> tuple[list[Proxy], ApiError | None]:
        """Create each proxy that is not there as specified; stop at the first that fails.

        A proxy with the same addresses stays untouched, connections, toxics, `enabled` and all.
        """
        for number, spec in enumerate(specs, 1):
            for field, value in (("name", spec.name), ("upstream", spec.upstream)):
                if not value:
                    return [], missing_field(f"{field} at proxy {number}")
        done: list[Proxy] = []
        for spec in specs:
            try:
                done.append(await self._add_or_replace(spec))
            except ApiError as error:
                return done, error
        return done, None

    async def reset(self) -> None:
        """Enable every proxy and remove every toxic; raises ApiError (500)."""
        for proxy in self.all():
            await proxy.start()
            proxy.clear()

    async def stop(self) -> None:
        """Close everything."""
        for proxy in self.all():
            await proxy.stop()

    async def _add_or_replace(self, spec: ProxySpec) -> Proxy:
        existing = self._proxies.get(spec.name)
        if existing is not None:
            if not await existing.differs(spec.listen, spec.upstream):
                return existing
            await existing.stop()
        return await self._put(spec)

    async def _put(self, spec: ProxySpec) -> Proxy:
        proxy = Proxy(spec.name, spec.listen, spec.upstream, self._seed, self._clock)
        if spec.enabled:
            await proxy.start()
        self._proxies[spec.name] = proxy
        return proxy
