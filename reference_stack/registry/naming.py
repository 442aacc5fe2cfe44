"""What both registries agree on: names, the tags that a version must carry, and the names of aliases."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache

from reference_stack.ports import ModelVersion, Rejected

MODEL = "recommender"
EXPERIMENT = "k9s"
ARTIFACT_FOLDER = "model"
ARTIFACT_FILE = "model.bin"

SNAPSHOT_TAG = "snapshot"
TRAINED_TAG = "trained_day"
SHA256_TAG = "sha256"

_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,255}")
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)


def digest(artifact: bytes) -> str:
    """The hex SHA-256 under which an artifact is registered."""
    return hashlib.sha256(artifact).hexdigest()


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises Rejected where the tags lack lineage or the tag that the registry sets itself is taken."""
    for name in (SNAPSHOT_TAG, TRAINED_TAG):
        if name not in tags:
            raise Rejected(f"a version needs the tag {name!r}")
    try:
        float(tags[TRAINED_TAG])
    except ValueError as error:
        raise Rejected(f"{TRAINED_TAG} is a day, not {tags[TRAINED_TAG]!r}") from error
    if SHA256_TAG in tags:
        raise Rejected(f"the registry itself sets the tag {SHA256_TAG!r}")


@lru_cache(maxsize=64)
def check_alias(alias: str) -> None:
    """Raises Rejected for a name that MLflow would not take either."""
    if not _ALIAS.fullmatch(alias) or _RESERVED.fullmatch(alias):
        raise Rejected(f"{alias!r} cannot be an alias")


def as_version(version: int, run: str, tags: Mapping[str, str]) -> ModelVersion:
    """A version as its tags describe it.

    One that somebody registered past this stack may lack them: then its snapshot and hash are empty and its
    day is NaN, for whoever judges its lineage to see.
    """
    own = {name: value for name, value in sorted(tags.items()) if name != SHA256_TAG}
    try:
        trained_day = float(own.get(TRAINED_TAG, "nan"))
    except ValueError:
        trained_day = float("nan")
    return ModelVersion(
        version=version,
        run=run,
        snapshot=own.get(SNAPSHOT_TAG, ""),
        trained_day=trained_day,
        sha256=tags.get(SHA256_TAG, ""),
        tags=own,
    )
