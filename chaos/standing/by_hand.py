"""`mlchaos inject`, `undo` and `watch`: what is done to a standing stack by hand, and what is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chaos.app import check_images, images_in
from chaos.capabilities import Described, MeaninglessChange
from chaos.catalogue import Catalogue, UnknownName
from chaos.domain.change import Scalar
from chaos.domain.durations import parse_days
from chaos.domain.event import Event
from chaos.domain.target import TargetSpec
from chaos.errors import ArmFailed, Interrupted, UsageError, hint
from chaos.runner.check import changes_of, effect_of, make_fault, texts_of
from chaos.runner.overrides import Setting
from chaos.standing import place
from chaos.standing.wire import Answer, Ask, Happened, Inject, Line, Undo, Watch

PATIENCE_SECONDS = 60.0


def parameters_of(words: Sequence[str], fault: str, catalogue: Catalogue) -> dict[str, Scalar]:
    """`link=events held_days=5d` as a mapping. Raises UsageError."""
    texts = texts_of(fault, catalogue)
    found: dict[str, Scalar] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"{word!r}: write parameters as key=value")
        if key in found:
            raise UsageError(f"{key} is given twice")
        found[key] = Setting("fault", "", key, value).for_fault(texts)
    return found


def inject(
    into: str,
    fault: str,
    parameters: Mapping[str, Scalar],
    lasts: str | None,
    spec: TargetSpec,
    catalogue: Catalogue,
) -> str:
    """Inject a fault into a standing stack. Raises UsageError, before anything is touched, or ArmFailed."""
    try:
        for_days = None if lasts is None else parse_days(lasts)
        made = make_fault(fault, parameters, spec, catalogue)
        changes = changes_of(made, Described(spec))
        effect_of(made, spec, catalogue)
    except (UnknownName, MeaninglessChange) as error:
        says = error.of_its_field if isinstance(error, MeaninglessChange) else str(error)
        raise UsageError(f"inject {fault}: {says}{hint(error.nearest)}") from error
    except ValueError as error:
        raise UsageError(f"--for {lasts}: {error}") from error
    if for_days is not None and for_days <= 0:
        raise UsageError(f"--for {lasts}: must be above 0")
    check_images(spec, images_in(changes))  # here, where a pull keeps nobody else waiting
    return _said(into, Inject(fault, dict(parameters), for_days))


def undo(into: str, id: str) -> str:
    """Undo what was injected by hand. Raises UsageError, ArmFailed or UndoFailed."""
    return _said(into, Undo(id))


def _said(into: str, ask: Ask) -> str:
    state = place.find(into)
    with Line(into, state.port, state.token) as line:
        line.say(ask)
        try:
            word = line.hear(patience_s=PATIENCE_SECONDS)
        except TimeoutError as error:
            raise ArmFailed(f"the stack {into!r} does not answer") from error
    if not isinstance(word, Answer):
        raise ArmFailed(f"the stack {into!r} gave an unexpected answer")
    return word.ok_or_raise()


def watch(into: str, show: Callable[[Event], None]) -> str:
    """Show what happens until the stack ends, and say so. Raises Interrupted at Ctrl-C, UsageError where none
    stands.
    """
    state = place.find(into)
    with Line(into, state.port, state.token) as line:
        line.say(Watch())
        try:
            while True:
                word = line.hear(patience_s=None)
                if isinstance(word, Happened):
                    show(word.event)
        except ArmFailed as gone:
            return str(gone)
        except KeyboardInterrupt as error:
            raise Interrupted("no longer watching; the stack stands") from error
