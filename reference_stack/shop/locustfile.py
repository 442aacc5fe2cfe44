"""Loaded by Locust only: one user, who is all shoppers. See `reference_stack.shop.process.command`."""

from __future__ import annotations

import logging
import os
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from locust import User, constant, events, task

from reference_stack.settings import read_settings
from reference_stack.shop.live import LiveShop


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: ArgumentParser) -> None:
    """Take the stack's settings file."""
    parser.add_argument("--settings", type=Path, required=True, help="the stack's settings file")
    parser.add_argument("--say", action="store_true", help="log to standard output, not below the root")


class Shoppers(User):
    """Starts a greenlet for each view, at the time that the seed says, however slow the site is."""

    wait_time = constant(0)

    @task
    def live(self) -> None:
        """The whole run; it ends the process, with exit code 1 if it breaks."""
        environment = self.environment
        with ExitStack() as stack:
            stack.callback(environment.runner.quit)
            stack.push(self._broke)
            options = environment.parsed_options
            # A duplicate, since the shop closes its log before Locust has said its last word.
            log = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1) if options.say else None
            shop = LiveShop(read_settings(options.settings), environment, log)
            # Locust fires this on SIGTERM too; what is not written by then would be lost.
            environment.events.quitting.add_listener(lambda **_: shop.close())
            shop.live()

    def _broke(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Said here, since quitting ends this greenlet before Locust can say it."""
        if isinstance(error, Exception):
            logging.getLogger(__name__).error("the shop broke", exc_info=error)
            self.environment.process_exit_code = 1
