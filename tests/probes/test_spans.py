"""What a probe looks back on."""

from __future__ import annotations

import dataclasses

import pytest
from pydantic import TypeAdapter, ValidationError

from chaos.probes import BUILT_IN

SPANS = [
    (probe, field.name)
    for probe in (shipped.load() for shipped in BUILT_IN)
    for field in dataclasses.fields(probe)
    if field.name in ("over", "before")
]


@pytest.mark.parametrize(("probe", "name"), SPANS, ids=lambda one: getattr(one, "name", one))
def test_no_probe_looks_back_on_nothing(probe: type, name: str) -> None:
    needed = {
        field.name: 1 if field.type == "int" else "x"
        for field in dataclasses.fields(probe)
        if field.init
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    }
    with pytest.raises(ValidationError, match=rf"(?s)\b{name}\b.*greater than 0"):
        TypeAdapter(probe).validate_python({**needed, name: "0d"})
    assert getattr(TypeAdapter(probe).validate_python({**needed, name: "0.5d"}), name) == 0.5


def test_probes_with_a_span_are_found() -> None:
    assert len(SPANS) >= 11
