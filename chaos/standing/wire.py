"""How commands talk with whoever keeps a stack: JSON lines over loopback, one command a connection."""

from __future__ import annotations

import contextlib
import hmac
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from chaos.domain.change import Scalar
from chaos.domain.event import Event
from chaos.errors import ArmFailed, Interrupted, UndoFailed, UsageError

HOST = "127.0.0.1"
MAX_LINE = 8_000_000
MAX_BACKLOG = 16_000_000
ANSWER_SECONDS = 30.0
"""The keeper answers between two looks at its stack; one that says nothing for so long hangs."""


class _Ask(msgspec.Struct, frozen=True, tag_field="ask", forbid_unknown_fields=True):
    pass


class Status(_Ask, frozen=True, tag="status"):
    """What is going on."""


class Inject(_Ask, frozen=True, tag="inject"):
    """Inject a fault of the catalogue by hand; it is undone after `for_days`, if that is given."""

    fault: str
    parameters: Mapping[str, Scalar]
    for_days: float | None = None


class Undo(_Ask, frozen=True, tag="undo"):
    """Undo what was injected by hand: the newest, or that of `id`."""

    id: str = ""


class Watch(_Ask, frozen=True, tag="watch"):
    """Hear everything that happens from now on."""


class Run(_Ask, frozen=True, tag="run"):
    """Run a trial (a TrialPlan as JSON) in `folder`, waiting for Go before what `pause_before` names."""

    plan: msgspec.Raw
    folder: str
    run: str
    started_at: str
    pause_before: tuple[str, ...] = ()


class Go(_Ask, frozen=True, tag="go"):
    """Go on with a run that waits."""


class Stop(_Ask, frozen=True, tag="stop"):
    """Stop the run, undo what it did; the stack stays."""


class Down(_Ask, frozen=True, tag="down"):
    """Undo everything and take the stack down."""


Ask = Status | Inject | Undo | Watch | Run | Go | Stop | Down


class _Envelope(msgspec.Struct, frozen=True):
    token: str
    ask: Ask


class Open(msgspec.Struct, frozen=True):
    """Something injected by hand, when it will be undone by itself, and when and why its last undo failed."""

    id: str
    since_day: float
    until_day: float | None
    failed_day: float | None = None
    failed: str = ""


class _Word(msgspec.Struct, frozen=True, tag_field="word"):
    pass


class Answer(_Word, frozen=True, tag="answer"):
    """The end of a command: what came of it, and the exit code."""

    says: str
    exit_code: int = 0

    def ok_or_raise(self) -> str:
        """What came of it. Raises the error that its exit code stands for."""
        for kind in (ArmFailed, UsageError, UndoFailed, Interrupted):
            if self.exit_code == kind.exit_code:
                raise kind(self.says)
        return self.says


class StatusIs(_Word, frozen=True, tag="status"):
    """The answer to Status."""

    day: float
    run: str
    open: tuple[Open, ...]
    gone: tuple[str, ...]


class Happened(_Word, frozen=True, tag="happened"):
    """Something was journalled."""

    event: Event


class Waiting(_Word, frozen=True, tag="waiting"):
    """A run waits for Go before it injects or undoes."""

    before: str
    about: str


Word = Answer | StatusIs | Happened | Waiting

_asks = msgspec.json.Decoder(_Envelope)
_words = msgspec.json.Decoder(Word)


@dataclass(eq=False)
class Visitor:
    """A command at the other end. What it does not take in time is kept for it, up to a limit."""

    socket: socket.socket
    gone: bool = False
    _in: bytes = b""
    _out: bytearray = field(default_factory=bytearray)

    def tell(self, word: Word) -> None:
        """Send a word, now or at the next look."""
        self._out += msgspec.json.encode(word) + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what is kept."""
        try:
            while self._out and not self.gone:
                del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            self.gone = len(self._out) > MAX_BACKLOG
        except OSError:
            self.gone = True

    def lines(self) -> Iterator[bytes]:
        """The whole lines that have come."""
        try:
            while not self.gone:
                data = self.socket.recv(65536)
                self.gone = not data or len(self._in) > MAX_LINE
                self._in += data
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True
        *whole, self._in = self._in.split(b"\n")
        yield from whole

    def close(self) -> None:
        """Send the last words, and hang up."""
        self.socket.settimeout(1.0)
        with contextlib.suppress(OSError):
            self.socket.sendall(self._out)
        self.socket.close()
        self.gone = True


class Desk:
    """The keeper's side: never waits for anybody."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._listener = socket.create_server((HOST, 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.visitors: list[Visitor] = []

    def poll(self) -> list[tuple[Visitor, Ask]]:
        """What has been asked since the last look, in order."""
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                connection.setblocking(False)
                self.visitors.append(Visitor(connection))
        asked = []
        for visitor in list(self.visitors):
            visitor.flush()
            for line in visitor.lines():
                ask = self._read(line)
                if ask is None:
                    visitor.tell(Answer("this is not for you", 3))
                    visitor.close()
                    break
                asked.append((visitor, ask))
            if visitor.gone:
                visitor.socket.close()
                self.visitors.remove(visitor)
        return asked

    def _read(self, line: bytes) -> Ask | None:
        try:
            envelope = _asks.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        told, token = envelope.token.encode(errors="replace"), self._token.encode()
        return envelope.ask if hmac.compare_digest(told, token) else None

    def close(self) -> None:
        """Hang up on everybody."""
        for visitor in self.visitors:
            if not visitor.gone:
                visitor.close()
        self.visitors.clear()
        self._listener.close()


class Line:
    """A command's side. Raises ArmFailed where nobody is there, or whoever was has gone."""

    def __init__(self, name: str, port: int, token: str) -> None:
        self._name = name
        self._token = token
        try:
            self._socket = socket.create_connection((HOST, port), timeout=ANSWER_SECONDS)
        except OSError as error:
            raise ArmFailed(f"the stack {name!r} does not answer: {error.strerror or error}") from error
        self._in = b""

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, ask: Ask) -> None:
        """Send a request. Raises ArmFailed where the stack is gone."""
        try:
            self._socket.sendall(msgspec.json.encode(_Envelope(self._token, ask)) + b"\n")
        except OSError as error:
            raise ArmFailed(f"the stack {self._name!r} is gone") from error

    def hear(self, *, patience_s: float | None = ANSWER_SECONDS) -> Word:
        """The next word. Raises TimeoutError after `patience_s` of silence (None: never)."""
        self._socket.settimeout(patience_s)
        while b"\n" not in self._in:
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                raise
            except OSError as error:
                raise ArmFailed(f"the stack {self._name!r} is gone") from error
            if not data:
                raise ArmFailed(f"the stack {self._name!r} is gone: it ended, or was taken down")
            self._in += data
        line, self._in = self._in.split(b"\n", 1)
        word: Word = _words.decode(line)
        return word
