"""A target: the system under test, as its file describes it."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from chaos.domain.durations import Days, Milliseconds, parse_days
from chaos.domain.layer import Mode, Stage
from chaos.domain.scenario import KEBAB, Arm, Strict


class CapabilityName(enum.StrEnum):
    """What may be asked of a target; what it lacks is not measured, or refused at planning time."""

    NETWORK = "network"
    DATA = "data"
    PROCESSES = "processes"
    CONFIG = "config"
    REGISTRY = "registry"
    TRAFFIC = "traffic"
    LAYERS = "layers"
    TELEMETRY = "telemetry"
    TRUTH = "truth"
    ARMS = "arms"


class Component(Strict):
    """A named service. `host` is an address of its own only for systems that run elsewhere."""

    role: str
    host: str | None = None
    optional: bool = False


class Integrity(Strict):
    """What a data link promises its reader."""

    max_late: Days | None = None
    max_loss: float | None = Field(default=None, ge=0, le=1)
    duplicates: bool | None = None
    ordered: bool | None = None


class NetworkLink(Strict):
    """A connection from some components to one other."""

    kind: Literal["network"]
    from_: list[str] = Field(alias="from", min_length=1)
    to: str


class DataLink(Strict):
    """A folder that one component writes and another reads."""

    kind: Literal["data"]
    from_: list[str] = Field(alias="from", min_length=1)
    to: str
    due: Days
    integrity: Integrity | None = None


Link = Annotated[NetworkLink | DataLink, Field(discriminator="kind")]


class Parameter(Strict):
    """A layer's parameter: its type, range and default."""

    type: Literal["days", "ms", "number", "integer", "share", "boolean", "text"]
    default: float | int | bool | str
    at_least: float | None = None
    at_most: float | None = None
    says: str = ""

    def misfit(self, value: object) -> str | None:
        """Why a value does not fit, or None where it does."""
        if self.type == "boolean":
            return None if isinstance(value, bool) else f"{value!r} is not true or false"
        if self.type == "text":
            return None if isinstance(value, str) else f"{value!r} is not text"
        if isinstance(value, str) and self.type == "days":
            try:
                value = parse_days(value)
            except ValueError as error:
                return str(error)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{value!r} is not a number"
        if self.type == "integer" and not isinstance(value, int):
            return f"{value!r} is not a whole number"
        if self.type == "share" and not 0 <= value <= 1:
            return f"{value!r} is not a share between 0 and 1"
        if self.at_least is not None and value < self.at_least:
            return f"{value!r} is below {self.at_least:g}"
        if self.at_most is not None and value > self.at_most:
            return f"{value!r} is above {self.at_most:g}"
        return None


class LayerSpec(Strict):
    """A defensive layer: which components ask it, what it is for, its parameters."""

    asked_by: list[str] = Field(min_length=1)
    stages: list[Stage] = Field(min_length=1)
    says: str
    default: Mode = Mode.ENFORCE
    parameters: dict[str, Parameter] = {}


class DriverSpec(Strict):
    """How the target is brought up: the driver's name and what it needs to know."""

    kind: Literal["fake", "local", "virtual", "compose"]
    command: list[str] = []
    factory: str | None = None
    settings: dict[str, Any] = {}


class TargetSpec(Strict):
    """The system under test. A file may extend another and replaces what it names."""

    target: str = Field(pattern=KEBAB)
    extends: str | None = None
    says: str
    driver: DriverSpec
    capabilities: list[CapabilityName]
    arms: list[Arm] = list(Arm)
    day_seconds: float = Field(default=1.0, gt=0)
    normal_ms: Milliseconds = 0.0
    components: dict[str, Component] = Field(min_length=1)
    links: dict[str, Link] = {}
    layers: dict[str, LayerSpec] = {}
    columns: dict[str, str] = {}
    hosts: list[str] = []

    @model_validator(mode="after")
    def _names_only_what_it_has(self) -> TargetSpec:
        for name, link in self.links.items():
            for end in [*link.from_, link.to]:
                if end not in self.components:
                    raise ValueError(f"link {name!r} names a component {end!r} that is not there")
        for name, layer in self.layers.items():
            for component in layer.asked_by:
                if component not in self.components:
                    raise ValueError(f"layer {name!r} names a component {component!r} that is not there")
        return self
