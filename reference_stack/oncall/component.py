"""On-call: who answers an alert, how soon, and what they do first."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import msgspec
from msgspec.structs import replace

from reference_stack.component import Component, serves
from reference_stack.layers.contract import Hook, Mode
from reference_stack.layers.evidence import Heartbeat, Page
from reference_stack.messages import HEARTBEAT, PAGE, AlertItem, Empty, HeartbeatRequest, Webhook
from reference_stack.monitor.set_back import SetBack, earlier
from reference_stack.oncall.actions import ACTIONS, Call, Hands, Take
from reference_stack.oncall.runbook import read_runbook
from reference_stack.ports import Failed, Folder, Overloaded, Port, PortError, Runtime, TimedOut, Unreachable
from reference_stack.seeds import uniform
from reference_stack.settings import LayerSettings, OnCallSettings
from reference_stack.telemetry import Telemetry

_FILE = "open.json"
_CHECK_DAYS = 0.05
_STOOD_STILL = 3.0
"""Looks left out after which the silence of others says nothing."""
_REPEAT_DAYS = 4 / 24
"""Who has not answered is told again: Alertmanager's `repeat_interval` is 4 hours unless it is set."""
_DEAD_MAN = "dead-man-"
_ABOUT_DATA = ("ML system", "page")
_UNSURE = (Unreachable, TimedOut, Failed)
"""What may be done all the same: the other end may have heard it."""


class OpenAlert(msgspec.Struct, frozen=True):
    """An alert that has reached on-call and is not resolved, or waits for its answer.

    `id` is its fingerprint and how often it has come; `told_day` is when people were told last, `answer_day`
    when somebody will have read it;
    `taken` are the actions that are to be released when it is resolved, and `trying` is one of which nobody
    has heard yet whether it is done; `left` are those that were not begun. `ends_day` is when what was taken
    ends, known once it is resolved.
    """

    id: str
    item: AlertItem
    receiver: str
    sent_day: float
    told_day: float = 0.0
    step: str = ""
    answer_day: float | None = None
    acknowledged_day: float | None = None
    resolved: bool = False
    taken: tuple[str, ...] = ()
    trying: str = ""
    left: tuple[str, ...] = ()
    ends_day: float | None = None


class Release(msgspec.Struct, frozen=True):
    """What was done about an alert that is resolved ends on a day."""

    day: float
    alert: OpenAlert


def done_to(name: str, alert: OpenAlert) -> tuple[str, str]:
    """An action, and what it was done to: what the alert is about, where that makes a difference."""
    return name, alert.item.labels.get("about", "") if ACTIONS[name].each else ""


class _State(msgspec.Struct, frozen=True):
    open: dict[str, OpenAlert] = {}
    came: dict[str, int] = {}
    releases: tuple[Release, ...] = ()


class OnCall(Component[OnCallSettings]):
    """Simulated people, or nobody (`kind`). They know what has reached them also after a restart.

    Listens for the monitor too: when its heartbeat is missing, that is an alert of on-call's own.
    """

    hooks = (Hook.PAGE, Hook.HEARTBEAT)

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        settings: OnCallSettings,
        layers: dict[str, LayerSettings],
        build: str,
        *,
        folder: Folder,
        seed: int,
        ports: Mapping[str, Port] | None = None,
    ) -> None:
        super().__init__("oncall", runtime, telemetry, settings, layers, build)
        self._folder = folder
        self._seed = seed
        self._hands = Hands(ports or {}, build, runtime.semaphore(1))
        self._runbook = read_runbook(settings.runbook, ACTIONS)
        state = _State()
        if folder.exists(_FILE):
            state = msgspec.json.decode(folder.read(_FILE), type=_State)
        self._open = dict(state.open)
        self._came = dict(state.came)
        self._releases = list(state.releases)
        self._take_up()
        self._count()
        self._heard: dict[str, float | None] = {}
        self._listened_day = runtime.day()
        self._clock = SetBack(runtime)
        self._silent = {
            alert.item.labels["about"]
            for key, alert in self._open.items()
            if key.startswith(_DEAD_MAN) and not alert.resolved
        }

    def _take_up(self) -> None:
        """What somebody was at when the process before ended may be done, and is released like the rest."""
        for key, alert in list(self._open.items()):
            if not alert.trying:
                continue
            if alert.resolved:
                del self._open[key]
                self._releases.append(self._release(alert, alert.trying))
            else:
                self._open[key] = replace(alert, taken=(*alert.taken, alert.trying), trying="")

    async def run(self) -> None:
        """Answer what was open already, and listen for heartbeats."""
        for key, alert in self._open.items():
            if alert.answer_day is not None:
                self.runtime.spawn(self._answer(key, alert.id, alert.answer_day))
            elif alert.left:
                self.runtime.spawn(self._follow(key, alert))
        for release in self._releases:
            self.runtime.spawn(self._end(release))
        self._listened_day = self.runtime.day()
        self._heard = {"monitor": self._listened_day, **dict.fromkeys(self._silent)}
        while True:
            await self.runtime.until(self.runtime.day() + _CHECK_DAYS)
            self._listen(self.runtime.day())
            self._tell_again(self.runtime.day())

    @serves(HEARTBEAT)
    async def heartbeat(self, request: HeartbeatRequest) -> Empty:
        """Somebody is alive."""
        self._heard[request.component] = self.runtime.day()
        return Empty()

    @serves(PAGE)
    async def page(self, request: Webhook) -> Empty:
        """Alerts in Alertmanager's format. Told twice, an alert is still one."""
        for item in request.alerts:
            if item.status == "firing":
                self._fire(item, request.receiver)
            else:
                self._resolve(item.fingerprint)
        self._save()
        return Empty()

    def _fire(self, item: AlertItem, receiver: str) -> None:
        known = self._open.get(item.fingerprint)
        if known is not None and not known.resolved:
            return
        day = self.runtime.day()
        nth = self._came.get(item.fingerprint, 0) + 1
        self._came[item.fingerprint] = nth
        # What somebody is at about it as it was before may be done, and lasts as long as this one.
        tried = (known.trying,) if known is not None and known.trying else ()
        alert = OpenAlert(f"{item.fingerprint}-{nth}", item, receiver, sent_day=day, taken=tried)
        alert = self._tell(alert, day)
        if alert.answer_day is not None and known is not None and known.answer_day is not None:
            # Who was called for it before comes no later.
            alert = replace(alert, answer_day=min(alert.answer_day, known.answer_day))
        self._open[item.fingerprint] = alert
        self._log(alert, "firing")
        if alert.answer_day is not None:
            self.runtime.spawn(self._answer(item.fingerprint, alert.id, alert.answer_day))

    def _tell_again(self, day: float) -> None:
        """What nobody has been going to read, while people were away or it was muted, is told again."""
        again: dict[str, OpenAlert] = {}
        for key, alert in self._open.items():
            if alert.resolved or alert.answer_day is not None or alert.acknowledged_day is not None:
                continue
            if 0.0 <= day - alert.told_day < _REPEAT_DAYS:
                continue  # below 0: by a clock that was ahead
            told = again[key] = self._tell(alert, day)
            if told.answer_day is not None:
                self.runtime.spawn(self._answer(key, told.id, told.answer_day))
        if again:
            self._open |= again
            self._save()

    def _tell(self, alert: OpenAlert, day: float) -> OpenAlert:
        """The alert, with when somebody will have read it, if anybody will."""
        alert = replace(alert, told_day=day)
        if self.settings.kind != "simulated" or not self._answered(alert, day):
            return alert
        labels = alert.item.labels
        page = self._runbook.page(labels)
        step = page.step(labels) if page is not None else ""
        return replace(alert, step=step, answer_day=day + self._delay_days(alert.id))

    def _answered(self, alert: OpenAlert, day: float) -> bool:
        """Whether the people layers have somebody read the alert."""
        labels = alert.item.labels
        page = Page(
            day=day,
            name=labels.get("alertname", ""),
            category=labels.get("category", ""),
            severity=labels.get("severity", ""),
            layer=labels.get("layer", ""),
            about=labels.get("about", ""),
        )
        # A list, so that every layer is asked.
        acting = [host.ask(page, day=day, about=alert.id).acts for host in self.layers.at(Hook.PAGE)]
        return any(acting)

    def _delay_days(self, alert_id: str) -> float:
        shortest, longest = self.settings.acknowledge_from_days, self.settings.acknowledge_to_days
        return shortest + (longest - shortest) * uniform(self._seed, "acknowledge", alert_id)

    async def _answer(self, key: str, alert_id: str, answer_day: float) -> None:
        await self.runtime.until(answer_day)
        alert = self._open.get(key)
        if alert is None or alert.id != alert_id:
            return
        acknowledged_day = round(self.runtime.day(), 4)
        alert = replace(alert, acknowledged_day=acknowledged_day, answer_day=None, left=self._actions(alert))
        self._open[key] = alert
        self._log(alert, "resolved" if alert.resolved else "firing")
        self.telemetry.log("action", by=alert.receiver, action="acknowledge", says=alert.step)
        self.telemetry.metrics.add("alerts_acknowledged_total")
        if alert.resolved:
            del self._open[key]
        self._save()
        if not alert.resolved:
            await self._follow(key, alert)

    async def _follow(self, key: str, alert: OpenAlert) -> None:
        """Take the actions in order; each is said, also one that is refused."""
        for place, name in enumerate(alert.left, 1):
            current = self._open.get(key)
            if current is not None and current.id == alert.id:
                self._open[key] = replace(current, left=alert.left[place:])
                self._save()
            action = ACTIONS.get(name)
            if action is None:
                near = "".join(get_close_matches(name, ACTIONS, n=1)) or ", ".join(ACTIONS)
                self._say(name, alert.receiver, f"not done: there is no such action; there is {near}")
                continue
            if action.release is None:
                await self._act(name, action.take, alert)
            else:
                await self._take(key, alert, name, action.take)

    async def _take(self, key: str, alert: OpenAlert, name: str, take: Take) -> None:
        """Take an action that is to be released, which is noted before it is tried."""
        over = self._keep(key, alert, trying=name)
        release = None if over is None else self._later(self._release(over, name))
        error = await self._act(name, take, alert)
        taken = () if error is not None and not isinstance(error, _UNSURE) else (name,)
        if release is None:
            over = self._keep(key, alert, *taken)
            release = self._later(self._release(over, name)) if over is not None and taken else None
        elif not taken:
            self._releases.remove(release)
            self._save()
        if release is not None and taken:
            self.runtime.spawn(self._end(release))

    def _keep(self, key: str, alert: OpenAlert, *taken: str, trying: str = "") -> OpenAlert | None:
        """Note what was done about an alert, or is tried; where it is over meanwhile, the alert as it was."""
        current = self._open.get(key)
        if current is None or current.id != alert.id:
            return alert
        if current.resolved and not trying:
            del self._open[key]  # it was kept for this
        else:
            once = tuple(dict.fromkeys((*current.taken, *taken)))
            self._open[key] = replace(current, taken=once, trying=trying)
        self._save()
        return current if current.resolved and not trying else None

    def _release(self, alert: OpenAlert, *taken: str) -> Release:
        """What was done about an alert that is over, and when that ends."""
        ends_day = self._ends_day(alert) if alert.ends_day is None else alert.ends_day
        return Release(ends_day, replace(alert, taken=taken, trying=""))

    def _ends_day(self, alert: OpenAlert) -> float:
        page = self._runbook.page(alert.item.labels)
        return self.runtime.day() + (page.lasts_days if page is not None else 0.0)

    def _actions(self, alert: OpenAlert) -> tuple[str, ...]:
        """The runbook's; at a page about data what people do instead of it, where they do."""
        labels, people = alert.item.labels, self.layers.named("people")
        about_data = (labels.get("category"), labels.get("severity")) == _ABOUT_DATA
        if people is not None and people.mode is Mode.ENFORCE and about_data:
            instead = msgspec.convert(people.setting("instead"), tuple[str, ...])
            if instead:
                return instead
        page = self._runbook.page(labels)
        return page.actions if page is not None else ()

    def _later(self, release: Release) -> Release:
        self._releases.append(release)
        self._save()
        return release

    async def _end(self, release: Release) -> None:
        await self.runtime.until(release.day)
        await self._let_go(release.alert, release.alert.taken)
        self._releases.remove(release)
        self._save()

    async def _let_go(self, alert: OpenAlert, taken: tuple[str, ...]) -> None:
        """What was done until the alert is resolved is undone, last first, unless another one needs it; again
        and again, until somebody has heard.

        One that is resolved needs it still where what was done about it lasts longer.
        """
        for name in reversed(taken):
            release, again = ACTIONS[name].release, False
            while release is not None and not self._is_needed(name, alert):
                if self._is_tried(name, alert):  # for another alert: which of the two came last?
                    await self.runtime.until(self.runtime.day() + _CHECK_DAYS)
                    continue
                error = await self._act(f"release {name}", release, alert, again=again)
                if not isinstance(error, (*_UNSURE, Overloaded)):
                    break
                again = True
                await self.runtime.until(self.runtime.day() + _CHECK_DAYS)

    def _is_needed(self, name: str, alert: OpenAlert) -> bool:
        now_day = self.runtime.day()
        others = [other for other in self._open.values() if not other.resolved]
        # Its own counts for nothing, though a clock that was set back says that it is not due yet.
        others += [
            later.alert for later in self._releases if later.day > now_day and later.alert.id != alert.id
        ]
        return done_to(name, alert) in {done_to(taken, other) for other in others for taken in other.taken}

    def _is_tried(self, name: str, alert: OpenAlert) -> bool:
        others = [other for other in self._open.values() if other.trying and other.id != alert.id]
        return done_to(name, alert) in {done_to(other.trying, other) for other in others}

    async def _act(self, name: str, take: Take, alert: OpenAlert, *, again: bool = False) -> PortError | None:
        """Take an action and say so; the error where it is not known to be done, said once."""
        by = alert.receiver
        try:
            says = await take(self._hands, Call(by=by, about=alert.item.labels.get("about", "")))
        except PortError as error:
            if not again:
                self._say(name, by, f"{'no answer' if isinstance(error, _UNSURE) else 'not done'}: {error}")
            return error
        self.telemetry.metrics.add("actions_taken_total")
        self.telemetry.log("action", by=by, action=name, says=says)
        return None

    def _say(self, name: str, by: str, not_done: str) -> None:
        self.telemetry.metrics.add("actions_refused_total")
        self.telemetry.log("action", by=by, action=name, says=not_done)

    def _resolve(self, key: str) -> None:
        alert = self._open.get(key)
        if alert is None or alert.resolved:
            return
        for host in self.layers.at(Hook.PAGE):
            host.release(alert.id, "resolved")
        alert = replace(alert, resolved=True, ends_day=self._ends_day(alert))
        self._log(alert, "resolved")
        if alert.taken:
            self.runtime.spawn(self._end(self._later(self._release(alert, *alert.taken))))
        if alert.answer_day is None and not alert.trying:
            del self._open[key]
        else:
            # Somebody will still read that it came and went, or is at it.
            self._open[key] = alert

    def _listen(self, day: float) -> None:
        if back_days := self._clock.days():
            # The clock was ahead: what was heard would be of days to come, and nobody silent until then.
            self._heard = {
                about: None if heard_day is None else earlier(heard_day, day, back_days)
                for about, heard_day in self._heard.items()
            }
        if day - self._listened_day > _STOOD_STILL * _CHECK_DAYS:
            # It was on-call that stood still, or whose clock was put forward: it has heard of nobody, as when
            # it starts.
            self._heard |= {about: day for about in self._heard if about not in self._silent}
        self._listened_day = day
        for about, heard_day in self._heard.items():
            beat = Heartbeat(day, about, heard_day, _CHECK_DAYS)
            # A list, so that every layer is asked.
            acting = [host.ask(beat, day=day, about=about).acts for host in self.layers.at(Hook.HEARTBEAT)]
            if any(acting) != (about in self._silent):
                self._dead_man(about, any(acting))

    def _dead_man(self, about: str, silent: bool) -> None:
        labels = {
            "alertname": "dead_man",
            "severity": "page",
            "category": "infrastructure",
            "about": about,
            "layer": "meta",
        }
        status = "firing" if silent else "resolved"
        item = AlertItem(status, labels, {"summary": f"{about} is silent"}, "", _DEAD_MAN + about)
        if silent:
            self._silent.add(about)
            self._fire(item, "platform")
        else:
            self._silent.discard(about)
            self._resolve(item.fingerprint)
        self._save()

    def _log(self, alert: OpenAlert, state: str) -> None:
        labels = alert.item.labels
        self.telemetry.log(
            "alert",
            id=alert.id,
            name=labels.get("alertname", ""),
            category=labels.get("category", ""),
            severity=labels.get("severity", ""),
            routed_to=alert.receiver,
            about=labels.get("about", ""),
            layer=labels.get("layer", ""),
            state=state,
            sent_day=round(alert.sent_day, 4),
            acknowledged_day=alert.acknowledged_day,
        )

    def _count(self) -> None:
        self.telemetry.metrics.set("alerts_open", sum(not each.resolved for each in self._open.values()))

    def _save(self) -> None:
        self._count()
        self._folder.write(
            _FILE,
            msgspec.json.encode(_State(open=self._open, came=self._came, releases=tuple(self._releases))),
        )
