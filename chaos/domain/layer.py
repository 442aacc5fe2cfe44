"""Defensive layers as the harness knows them: from the target file and from signals."""

from __future__ import annotations

import enum


class Mode(enum.StrEnum):
    """A layer's switch."""

    OFF = "off"
    OBSERVE = "observe"
    ENFORCE = "enforce"


class Stage(enum.StrEnum):
    """What a layer is for."""

    PREVENT = "prevent"
    DETECT = "detect"
    CONTAIN = "contain"
    RECOVER = "recover"


class SignalKind(enum.StrEnum):
    """What a layer says."""

    REACHED = "reached"
    FIRED = "fired"
    WOULD_HAVE_ACTED = "would_have_acted"
    ACTED = "acted"
    CLEARED = "cleared"


class Outcome(enum.StrEnum):
    """What a layer did about a fault; docs/verdict.md explains each."""

    NOT_ARMED = "not armed"
    NOT_REACHED = "not reached"
    PREVENTED = "prevented"
    CONTAINED = "contained"
    DETECTED = "detected"
    MISSED = "missed"
