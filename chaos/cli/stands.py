"""Commands about stacks that stand: stack up, status and down, inject, undo, watch."""

from __future__ import annotations

import math
import sys
from typing import Annotated

import typer

from chaos import app as application
from chaos.cli.options import Allow, Blind, OneSeed, Target
from chaos.errors import UsageError

cli = typer.Typer()
stack = typer.Typer(help="The reference stack by itself, to look around.", no_args_is_help=True)
cli.add_typer(stack, name="stack")


Name = Annotated[str, typer.Option("--name", help="The name it stands under.")]
Into = Annotated[str, typer.Option("--into", help="A standing stack, by name.")]


@stack.command(name="up")
def stack_up(
    target: Target = "reference-local",
    name: Name = "k9s",
    seed: OneSeed = 1,
    world: Annotated[str, typer.Option("--world", help="The shop's world, by name.")] = "default",
    days: Annotated[float, typer.Option("--days", min=1, max=90, help="Ends after so many days.")] = 90.0,
    day_seconds: Annotated[float, typer.Option("--day-seconds", help="Seconds in a simulated day.")] = 30.0,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it stands.")] = False,
    allow: Allow = None,
) -> None:
    """Bring a stack up, say where everything is, and keep it until Ctrl-C or `stack down`."""
    from chaos.standing import up

    if not 0 < day_seconds < math.inf:
        raise UsageError("--day-seconds must be above 0")
    spec, source = application.make_files().target(target)
    application.check_hosts(spec, source, allow or ())
    asked = up.Asked(name, spec, seed, world, days, day_seconds)
    if not detach:
        up.up(asked, _say)
        return
    up.check(asked)
    arguments = ["stack", "up", "--target", target, "--name", name, "--seed", str(seed), "--world", world]
    arguments += ["--days", str(days), "--day-seconds", str(day_seconds)]
    up.detach([*arguments, *(word for host in allow or () for word in ("--allow", host))], name, _say)


@stack.command(name="status")
def stack_status(
    name: Annotated[str | None, typer.Option("--name", help="One of them, in detail.")] = None,
) -> None:
    """Which stacks stand; of one, which components answer, what is injected, and who has it."""
    from chaos.standing import up

    for line in up.status(name):
        _say(line)


@stack.command(name="down")
def stack_down(name: Name = "k9s") -> None:
    """Undo what is injected, and take a standing stack down."""
    from chaos.standing import up

    _say(up.down(name))


@cli.command()
def inject(
    fault: Annotated[str, typer.Argument(help="A fault of the catalogue.")],
    parameters: Annotated[list[str] | None, typer.Argument(help="Its parameters: link=events …")] = None,
    into: Into = "k9s",
    lasts: Annotated[str | None, typer.Option("--for", help="Undo it after so long: 2d, 6h.")] = None,
) -> None:
    """Inject a fault into a standing stack by hand."""
    from chaos.standing import by_hand, place

    stands = place.find(into)
    spec = application.make_files().target(stands.described or stands.target)[0]
    catalogue = application.make_catalogue()
    wanted = by_hand.parameters_of(parameters or [], fault, catalogue)
    _say(by_hand.inject(into, fault, wanted, lasts, spec, catalogue))


@cli.command()
def undo(
    id: Annotated[str, typer.Argument(help="What `inject` called it; the newest if left out.")] = "",
    into: Into = "k9s",
) -> None:
    """Undo what was injected into a standing stack by hand."""
    from chaos.standing import by_hand

    _say(by_hand.undo(into, id))


@cli.command()
def watch(
    into: Into = "k9s",
    blind: Blind = False,
) -> None:
    """Show what happens in a standing stack, until it ends or Ctrl-C."""
    from chaos.reports.screen import Screen
    from chaos.standing import by_hand

    screen = Screen(quiet=False, fault_names=not blind)
    _say(by_hand.watch(into, lambda event: screen.event(event, into)))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
