"""Addresses as Go writes and resolves them: `host:port`, `[v6]:port`, `:port`, and the same error texts."""

from __future__ import annotations

import asyncio
import os
import re
import socket

from chaos.proxies.network.errors import ApiError, address_error

_NUMBER = re.compile("[+-]?[0-9]+")
_MOST_DIGITS = 4000


class AddressError(Exception):
    """An address that cannot be read or resolved; the text is Go's."""


def split(text: str) -> tuple[str, int]:
    """Host (maybe empty) and port of an address; the empty address is any host and port 0.

    Raises AddressError.
    """
    if not text:
        return "", 0
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif not colon or text.endswith("]"):
        raise AddressError(f"address {text}: missing port in address")
    elif ":" in host:
        raise AddressError(f"address {text}: too many colons in address")
    return host, _port(port)


def _port(text: str) -> int:
    if not text:
        return 0
    if _NUMBER.fullmatch(text):
        # Of very many digits Python makes no number at all.
        port = int(text) if len(text) < _MOST_DIGITS else -1
        if not 0 <= port <= 65535:
            raise AddressError(f"address {text}: invalid port")
        return port
    try:
        return socket.getservbyname(text, "tcp")
    except (OSError, ValueError):
        raise AddressError(f"lookup tcp/{text}: unknown port") from None


def join(host: str, port: int) -> str:
    """`host:port`, in brackets where the host is an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def resolve(text: str) -> tuple[str, int]:
    """The numeric host (empty for any) and the port that an address stands for; IPv4 is preferred.

    Raises AddressError.
    """
    host, port = split(text)
    if not host or _is_numeric(host):
        return host, port
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise AddressError(f"lookup {host}: no such host") from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return str(found[0][4][0]), port


def _is_numeric(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host.partition("%")[0])
    except OSError:
        return False
    return True


async def bind(text: str) -> socket.socket:
    """A listening socket on an address; any host listens on IPv6 and IPv4.

    Raises ApiError (500).
    """
    try:
        host, port = await resolve(text)
    except AddressError as error:
        raise address_error(f"listen tcp: {error}") from None
    try:
        if host:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return _listener((host, port), family)
        if socket.has_dualstack_ipv6():
            return _listener(("::", port), socket.AF_INET6)
        return _listener(("0.0.0.0", port), socket.AF_INET)
    except OSError as error:
        raise _bind_error(join(host, port), error) from None


def _listener(where: tuple[str, int], family: socket.AddressFamily) -> socket.socket:
    dual = family == socket.AF_INET6 and where[0] == "::"
    return socket.create_server(where, family=family, backlog=4096, dualstack_ipv6=dual)


def _bind_error(where: str, error: OSError) -> ApiError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return address_error(f"listen tcp {where}: bind: {reason[:1].lower()}{reason[1:]}")
