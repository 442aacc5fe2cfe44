"""The command line: thin. Every command says what it does in one line of help."""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from chaos.errors import ArmFailed, ChaosError, Interrupted, UsageError, defect

if TYPE_CHECKING:
    import typer

_HEAD_BYTES = 1000
_MODULES = {
    "runs": ("run", "suite", "ablation"),
    "looks": ("list", "show", "catalogue", "validate", "plan", "schema", "report", "compare", "recover"),
    "stands": ("stack", "inject", "undo", "watch"),
}
"""The modules of this package that hold commands."""


def commands(word: str = "") -> typer.Typer:
    """The command line; where `word` is a command, only what its module holds, and nothing else imported."""
    import typer

    cli = typer.Typer(
        name="mlchaos",
        help="Chaos testing for machine-learning systems, with a verdict about defensive layers.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @cli.callback()
    def mlchaos(
        version: bool = typer.Option(
            False, "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ) -> None:
        pass  # what there is to answer was answered by the option itself

    holding = [module for module, words in _MODULES.items() if word in words]
    for module in holding or _MODULES:
        cli.add_typer(importlib.import_module(f"{__name__}.{module}").cli)
    return cli


def _show_version(wanted: bool) -> None:
    if wanted:
        import typer

        from chaos.app import version

        sys.stdout.write(f"mlchaos {version()}\n")
        raise typer.Exit


def main() -> NoReturn:
    """The command `mlchaos`: errors become one message and an exit code, never a traceback."""
    words = sys.argv[1:]
    try:
        _take_any_character()
        _put_away(words)
        code = _validate(words[1:]) if _only_validates(words) else _command_line(words)
    except ChaosError as error:
        _say(str(error))
        code = error.exit_code
    except OSError as error:
        _say(str(error))  # such as a full disk
        code = ArmFailed.exit_code
    except KeyboardInterrupt:
        code = _interrupted()
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it is, it is no verdict)
        _say(defect(error))
        code = ArmFailed.exit_code
    sys.exit(code)


def _take_any_character() -> None:
    """Where a terminal or a CI log has fewer characters than we write, it gets `?` for the others."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _put_away(words: Sequence[str]) -> None:
    """Where a run is to write JUnit, nothing green is left of an older one, also if it never begins."""
    for word, after in itertools.zip_longest(words, words[1:], fillvalue=""):
        name, joined, value = word.partition("=")
        file = Path(value if joined else after)
        if name != "--junit" or not file.is_file():
            continue
        try:
            with file.open("rb") as report:
                is_report = b"<testsuite" in report.read(_HEAD_BYTES)
            if is_report:
                _remove(file)
        except OSError as error:
            raise UsageError(f"--junit {file}: what is there cannot be removed: {error.strerror}") from error


def _remove(file: Path) -> None:
    try:
        file.unlink()
    except OSError:  # of a folder that takes no change, as where the file alone is mounted
        os.truncate(file, 0)


def _only_validates(words: Sequence[str]) -> bool:
    return words[:1] == ["validate"] and len(words) > 1 and not any(word.startswith("-") for word in words)


def _validate(files: Sequence[str]) -> int:
    """`mlchaos validate FILE…` as editors and hooks call it, which takes no command line to be understood."""
    from chaos.validation import validate

    _without_plugins()
    for line in validate([Path(file) for file in files]):
        sys.stdout.write(line + "\n")
    return 0


def _command_line(words: Sequence[str]) -> int:
    import typer
    from typer.exceptions import TyperException

    word = next(iter(words), "")
    if word in _MODULES["looks"]:
        _without_plugins()
    try:
        code = commands(word)(standalone_mode=False)
    except TyperException as error:
        _say(error.format_message())
        return UsageError.exit_code
    except typer.Abort:
        return _interrupted()
    except SystemExit:  # its own way out, where the reader of its output has gone
        _say("nobody reads its output any more")
        return ArmFailed.exit_code
    if code == Interrupted.exit_code:  # typer takes a Ctrl-C for an end like any other
        return _interrupted()
    return code if isinstance(code, int) else 0


def _say(says: str) -> None:
    if not says:  # the help was shown in place of words
        return
    with contextlib.suppress(OSError):  # whoever read it may have gone
        sys.stderr.write(f"mlchaos: {says}\n")


def _interrupted() -> int:
    _say("interrupted")
    return Interrupted.exit_code


def _without_plugins() -> None:
    # To find that no model has a plug-in, pydantic would look at every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
