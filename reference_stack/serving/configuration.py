"""The configuration of a replica as content with a name, so that a recommendation can say which it was."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from reference_stack.settings import ServingSettings


def named(build: str, settings: ServingSettings, modes: Mapping[str, str]) -> tuple[str, bytes]:
    """A name made from the content, and the content, as JSON; `modes` are those of the layers it asks."""
    content = msgspec.json.encode(
        {"build": build, "settings": settings, "layers": modes}, order="deterministic"
    )
    return hashlib.blake2b(content, digest_size=8).hexdigest(), content
