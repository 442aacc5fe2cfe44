"""Brings arms up as processes on loopback, from a warm parent, with every link through a proxy."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import msgspec

from chaos.clock import Clock
from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan
from chaos.domain.source import merge
from chaos.domain.target import DataLink, NetworkLink, TargetSpec
from chaos.drivers.blas import pins
from chaos.drivers.local.alert_receiver import AlertedTail, AlertReceiver
from chaos.drivers.local.http import HttpFailed, ask, request
from chaos.drivers.local.logs import LogTail
from chaos.drivers.local.ports import HOST, free_addresses
from chaos.drivers.local.program import Program, last_words
from chaos.drivers.local.stack import Ended, StackParent
from chaos.drivers.local.target import LocalTarget, Wiring
from chaos.drivers.toxiproxy import ProxySpec, Toxiproxy
from chaos.drivers.words import command_of
from chaos.errors import ArmFailed, Interrupted

HEALTHY_SECONDS = 60.0
HEALTH_POLL_SECONDS = 0.01
WARM_UP_SECONDS = 180.0
STOP_POLL_SECONDS = 0.2
LEAD_SECONDS = 0.05


class _Ready(msgspec.Struct):
    api: str


class _Health(msgspec.Struct):
    ready: bool = True


class LocalDriver:
    """One warm parent and one pair of proxies for all arms of a run.

    `ours` is added to the environment of the proxies, which are programs of our own.
    """

    name: ClassVar[str] = "local"

    def __init__(
        self,
        run_folder: Path,
        clock: Clock,
        on_process: Callable[[str, int], None],
        stopping: Callable[[], bool] = lambda: False,
        ours: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._folder = run_folder
        self._ours = ours
        self._clock = clock
        self._stopping = stopping
        self._on_process = on_process
        self._stack: StackParent | None = None
        self._programs: list[Program] = []
        self._beside: list[Program] = []
        """Those of ours that everything passes, and whose end has not been told yet."""
        self._network: Toxiproxy | None = None
        self._proxies: dict[str, int] = {}
        self._data_api = ""
        self._warmed: dict[tuple[str, int], Path] = {}

    def start(
        self, plan: ArmPlan, spec: TargetSpec, folder: Path, on_event: Callable[[Event], None]
    ) -> LocalTarget:
        """Bring up an arm in `folder`.

        Raises ArmFailed, and Interrupted where the user asked to stop; everything started is taken down then,
        and LeftBehind where that cannot be done.
        """
        try:
            return self._start(plan, spec, folder, on_event)
        except OSError as error:
            raise ArmFailed(f"the arm cannot be set up: {error}") from error

    def _start(
        self, plan: ArmPlan, spec: TargetSpec, folder: Path, on_event: Callable[[Event], None]
    ) -> LocalTarget:
        warm = self._warm_up(plan, spec)
        stack, network = self._shared(spec)
        root = folder / "stack"
        shutil.copytree(warm, root)
        (root / "logs").mkdir(exist_ok=True)
        addresses, links = self._open_links(spec, network)
        sinks = self._open_data_links(plan, spec, root)
        wiring = Wiring(
            root=root,
            sinks=sinks,
            addresses=addresses,
            links=links,
            data_api=self._data_api,
            model=str(spec.driver.settings.get("model", "")),
        )
        receiver = None
        if spec.alerting.told_by == "alertmanager":
            receiver = AlertReceiver(self._clock, spec.alerting.labels, spec.layers)
        try:
            settings = root / "settings.json"
            settings.write_bytes(msgspec.json.encode(self._settings(plan, spec, wiring, receiver)))
            stack.up(settings)
            self._await_health(spec, addresses, stack, root / "logs")
            origin = self._clock.monotonic() + LEAD_SECONDS
            partial = root / "origin.part"
            partial.write_text(repr(origin))
            partial.rename(root / "origin")
        except (ArmFailed, Interrupted, OSError):
            if receiver is not None:
                receiver.close()
            with contextlib.suppress(ArmFailed):  # they are killed then: what came first is told
                stack.down()
            raise

        def day_of(moment: float) -> float:
            return (moment - origin) / plan.day_seconds

        logs = LogTail(root / "logs")
        tail = logs if receiver is None else AlertedTail(logs, receiver, day_of)
        return LocalTarget(
            plan,
            spec,
            wiring,
            stack,
            tail,
            network,
            self._clock,
            origin,
            on_event,
            self._proxies,
            self._ended_beside,
        )

    def close(self) -> None:
        """End the parent and the proxies, and remove the warm-up's folders. Raises LeftBehind."""
        try:
            self._end_shared()
        finally:
            shutil.rmtree(self._folder / "warmup", ignore_errors=True)

    # --- what all arms share -----------------------------------------------------------------------------

    def _end_shared(self) -> None:
        """Raises LeftBehind."""
        stack, self._stack, self._network = self._stack, None, None
        programs, self._programs, self._beside = self._programs, [], []
        with ExitStack() as ends:
            for program in reversed(programs):
                ends.callback(program.close)
            if stack is not None:
                ends.callback(stack.close)

    def _ended_beside(self) -> list[Ended]:
        """The proxies that have ended since the last call: without them no component reaches another."""
        ended = [program for program in self._beside if program.code is not None]
        self._beside = [program for program in self._beside if program not in ended]
        return [Ended(program.name, program.code or 0) for program in ended]

    def _shared(self, spec: TargetSpec) -> tuple[StackParent, Toxiproxy]:
        if any(program.code is not None for program in self._programs):
            self._end_shared()  # an arm before lost one of them; this one is to have all
        if self._stack is None or self._network is None:
            logs = self._folder / "harness"
            logs.mkdir(parents=True, exist_ok=True)
            parent = Program(
                "stack", [*command_of(spec.driver.command), "parent"], logs / "stack.err", self._environment()
            )
            self._programs.append(parent)
            self._programs_started(parent)
            network = self._proxy("network", logs)
            data = self._proxy("data", logs, "--root", str(self._folder.resolve()))
            self._proxies = {network.name: network.pid}
            self._network = Toxiproxy(network.receive(_Ready, timeout_s=10).api)
            self._data_api = data.receive(_Ready, timeout_s=10).api
            self._stack = StackParent(parent, self._on_process)
        return self._stack, self._network

    def _proxy(self, kind: str, logs: Path, *options: str) -> Program:
        command = [sys.executable, "-m", f"chaos.proxies.{kind}", "--host", HOST, "--port", "0"]
        command += ["--until-stdin-closes", *options]
        program = Program(f"{kind} proxy", command, logs / f"{kind}-proxy.err", self._ours)
        self._programs.append(program)
        self._beside.append(program)
        self._programs_started(program)
        return program

    def _programs_started(self, program: Program) -> None:
        self._on_process(program.name, program.pid)

    def _warm_up(self, plan: ArmPlan, spec: TargetSpec) -> Path:
        key = (plan.world, plan.seed)
        if key not in self._warmed:
            out = self._folder / "warmup" / f"{plan.world}-{plan.seed}"
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(out, ignore_errors=True)  # the half of one that failed
            command = [
                *command_of(spec.driver.command),
                "warmup",
                "--world",
                plan.world,
                "--seed",
                str(plan.seed),
            ]
            command += ["--out", str(out), "--registry", "mlflow"]
            try:
                # In a session of its own, so that a terminal's Ctrl-C reaches the runner alone.
                warm = subprocess.Popen(
                    command,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **self._environment()},
                    start_new_session=True,
                )
            except OSError as error:
                raise ArmFailed(f"the warm-up: cannot start {command[0]!r}: {error.strerror}") from error
            try:
                self._on_process("warm-up", warm.pid)
                self._shared(spec)
                errors = self._words_of(warm)
            finally:
                if warm.poll() is None:
                    warm.kill()
                with warm:  # closes its pipe, and waits
                    pass
            if warm.returncode != 0:
                words = errors.decode(errors="replace").strip().splitlines()
                raise ArmFailed(f"the warm-up failed: {words[-1] if words else warm.returncode}")
            self._warmed[key] = out
        return self._warmed[key]

    def _environment(self) -> Mapping[str, str]:
        """Of the stack's own programs: what they put aside for a moment goes when the run does."""
        aside = (self._folder / "warmup" / "tmp").resolve()
        aside.mkdir(parents=True, exist_ok=True)
        return {**pins(), "TMPDIR": str(aside)}

    def _words_of(self, warm: subprocess.Popen[bytes]) -> bytes:
        """What the warm-up wrote to its standard error, once it has ended."""
        limit = self._clock.monotonic() + WARM_UP_SECONDS
        while True:
            try:
                return warm.communicate(timeout=STOP_POLL_SECONDS)[1]
            except subprocess.TimeoutExpired as error:
                self._heed_stop()
                if self._clock.monotonic() > limit:
                    raise ArmFailed(f"the warm-up took more than {WARM_UP_SECONDS:g} s") from error

    def _heed_stop(self) -> None:
        if self._stopping():
            raise Interrupted("stopped by the user")

    # --- one arm -----------------------------------------------------------------------------------------

    def _open_links(self, spec: TargetSpec, network: Toxiproxy) -> tuple[dict[str, str], dict[str, str]]:
        """Addresses of the components, and of the proxies that stand for the network links."""
        links = {name: link for name, link in spec.links.items() if isinstance(link, NetworkLink)}
        asks = {name: f"link {name}" for name in links}  # a link may have a component's name
        free = free_addresses([*spec.components, *asks.values()])
        for proxy in network.proxies():
            network.delete(proxy)
        specs = [ProxySpec(name, free[link.to], free[asks[name]]) for name, link in links.items()]
        opened = {proxy.name: proxy.listen for proxy in network.populate(specs)}
        return {name: free[name] for name in spec.components}, opened

    def _open_data_links(self, plan: ArmPlan, spec: TargetSpec, root: Path) -> dict[str, Path]:
        for left in ask(
            self._data_api, "GET", "/links", None, dict[str, msgspec.Raw]
        ):  # of an arm that failed
            request(self._data_api, "DELETE", f"/links/{left}")
        sinks: dict[str, Path] = {}
        folders = spec.driver.settings.get("folders", {})
        for name, link in spec.links.items():
            if not isinstance(link, DataLink):
                continue
            source, sink = root / folders[name]["source"], root / folders[name]["sink"]
            sink.mkdir(parents=True, exist_ok=True)
            body = {
                "name": name,
                "source": str(source),
                "sink": str(sink),
                "day_seconds": plan.day_seconds,
            }
            request(self._data_api, "POST", "/links", body)
            sinks[name] = sink
        return sinks

    def _settings(
        self, plan: ArmPlan, spec: TargetSpec, wiring: Wiring, receiver: AlertReceiver | None
    ) -> dict[str, object]:
        """The stack's own settings file, on top of its defaults and of what the target file gives it."""
        planned = {
            "seed": plan.seed,
            "world": plan.world,
            "days": plan.days,
            "day_seconds": plan.day_seconds,
            "root": str(wiring.root),
            "inbox": str(next(iter(wiring.sinks.values()), "")),
            "addresses": dict(wiring.addresses),
            "links": dict(wiring.links),
            "layers": {
                name: {"mode": layer.mode.value, "parameters": layer.parameters}
                for name, layer in plan.layers.items()
            },
            "shop": {"normal_ms": spec.normal_ms},
            **({} if receiver is None else {"alerts": receiver.address}),
        }
        return merge(spec.driver.stack, planned)

    def _await_health(
        self, spec: TargetSpec, addresses: Mapping[str, str], stack: StackParent, logs: Path
    ) -> None:
        limit = self._clock.monotonic() + HEALTHY_SECONDS
        waiting = dict(addresses)
        why = ""
        while waiting:
            for component, address in list(waiting.items()):
                try:
                    answer = request(address, "GET", spec.components[component].health, timeout_ms=1000)
                except HttpFailed as error:
                    why = str(error)
                    continue
                if _is_ready(answer):
                    del waiting[component]
            for ended in stack.ended():
                words = last_words(logs / f"{ended.component}.err")
                raise ArmFailed(f"{ended.component} ended with code {ended.code} as it came up{words}")
            if waiting and self._clock.monotonic() > limit:
                names = ", ".join(waiting)
                raise ArmFailed(f"not healthy after {HEALTHY_SECONDS:g} s: {names} ({why})")
            self._heed_stop()
            if waiting:
                self._clock.sleep(HEALTH_POLL_SECONDS)


def _is_ready(answer: bytes) -> bool:
    try:
        return msgspec.json.decode(answer, type=_Health).ready
    except msgspec.DecodeError:
        return True  # a server that answers with text, as MLflow does
