"""The one thread that plays every visitor's game, in turn and in small slices, so that nobody waits for another."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from ganforge.errors import GanforgeError
from ganforge.lab.frames import words
from ganforge.lab.instruments import INSTRUMENTS, Room, Seat

__all__ = ["Visitor", "Worker"]

SLICE = 0.012  # seconds of play between two looks at messages and frames, shared by those who play
RATE, RATE_OF_ALL = 36.0, 104.0  # pictures a second: of a visitor, and of all together, whose browsers are to keep up
AHEAD = 2  # pictures under way that a page hasn't drawn yet
GONE = 3.0  # seconds without a sign that a frame was drawn, after which a page isn't played for
HEARD = 64  # messages waiting
LONGEST = 1.0  # seconds between two looks at an instrument that has nothing to do

Send = Callable[[str | bytes], None]


@dataclass(eq=False)
class Visitor:
    """A socket and its seat.

    Attributes:
        send: hands words or a frame to the event loop; never blocks.
        heard: messages that wait.
        sent, drawn: numbers of the last frame sent and of the last one that the page has drawn.
        parts: frames of the last picture, one for each game.
        due: when the next picture is due; what was late is made up for.
    """

    send: Send
    heard: deque[Any] = field(default_factory=deque)
    seat: Seat | None = None
    kinds: dict[str, type] = field(default_factory=dict)
    hidden: bool = False
    sent: int = 0
    drawn: int = 0
    parts: int = 1
    due: float = 0.0
    alive: float = field(default_factory=time.perf_counter)
    gone: bool = False

    @property
    def waiting(self) -> bool:
        """Whether there are frames that the page hasn't drawn."""
        return self.sent - self.drawn >= AHEAD * self.parts

    @property
    def plays(self) -> bool:
        """Whether its game goes on just now."""
        asleep = self.waiting and time.perf_counter() - self.alive > GONE
        return self.seat is not None and self.seat.busy and not self.hidden and not asleep

    def rest(self, now: float) -> float:
        """Seconds until there may be something to do for it: a message, a round that is due, a picture."""
        if self.heard or self.gone:
            return 0.0
        play = max(0.0, self.seat.wake - now) if self.plays and self.seat is not None else LONGEST
        return min(play, self.due - now if self.due > now else LONGEST)


class Worker:
    """The thread and its visitors."""

    def __init__(self, room: Room) -> None:
        self.room, self.visitors = room, list[Visitor]()
        self._bell, self._over = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="lab", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let every game go and end."""
        with self._bell:
            self._over = True
            self._bell.notify()
        self._thread.join(timeout=10)

    def enter(self, visitor: Visitor) -> None:
        """Somebody comes."""
        with self._bell:
            self.visitors.append(visitor)

    def leave(self, visitor: Visitor) -> None:
        """Somebody goes: the seat is let go by the worker itself."""
        with self._bell:
            visitor.gone = True
            self._bell.notify()

    def tell(self, visitor: Visitor, message: Any) -> bool:
        """Hand over a message; False where too many wait."""
        with self._bell:
            if len(visitor.heard) >= HEARD:
                return False
            visitor.heard.append(message)
            self._bell.notify()
        return True

    def _work(self) -> None:
        torch.set_num_threads(1)  # of this thread; each game is too small for more
        for instrument in INSTRUMENTS.values():
            getattr(instrument, "warm", int)()
        while not self._over:
            with self._bell:
                for visitor in [v for v in self.visitors if v.gone]:
                    self.visitors.remove(visitor)
                    if visitor.seat is not None:
                        visitor.seat.close()
                    visitor.seat = None
                visitors, now = list(self.visitors), time.perf_counter()
                if (rest := min((v.rest(now) for v in visitors), default=LONGEST)) > 0:
                    self._bell.wait(timeout=rest)
            playing = max(1, sum(v.plays for v in visitors))
            pace = max(1 / RATE, playing / RATE_OF_ALL)
            for visitor in visitors:
                self._serve(visitor, SLICE / playing, pace)

    def _serve(self, visitor: Visitor, seconds: float, pace: float) -> None:
        """A visitor's messages, a slice of play that ends where a picture is due, and that picture."""
        try:
            while visitor.heard and not visitor.gone:
                self._hear(visitor, visitor.heard.popleft())
            if visitor.plays and visitor.seat is not None:
                left = visitor.due - time.perf_counter()
                for record in visitor.seat.advance(min(seconds, left) if left > 0 else seconds):
                    visitor.send(words(record))
            self._draw(visitor, pace)
        except Exception as error:  # a fault of one game ends that game, not the lab
            visitor.send(
                words({"kind": "failed", "text": f"this game broke ({type(error).__name__}: {error}); reload"})
            )
            visitor.seat, visitor.gone = None, True

    def _hear(self, visitor: Visitor, message: Any) -> None:
        """One message."""
        visitor.alive = time.perf_counter()
        try:
            if message.kind == "seen":
                visitor.drawn = max(visitor.drawn, min(message.frame, visitor.sent))
            elif message.kind == "hide":
                visitor.hidden = message.on
            elif message.kind == "open":
                self._seat(visitor, message)
            elif visitor.seat is None:
                raise_nothing_open()
            else:
                for record in visitor.seat.receive(message):
                    visitor.send(words(record))
        except GanforgeError as error:
            said = {"kind": "refused", "of": message.kind, "text": str(error)}
            visitor.send(words(said | {"settings": list(getattr(message, "settings", None) or ())}))

    def _seat(self, visitor: Visitor, message: Any) -> None:
        """Give a visitor an instrument."""
        seat: Seat = INSTRUMENTS[message.instrument].open_seat(message.link, self.room)
        if visitor.seat is not None:
            visitor.seat.close()
        visitor.seat = seat
        visitor.send(words({**seat.state(), "opened": True}))

    def _draw(self, visitor: Visitor, pace: float) -> None:
        """A picture, if there is something new, one is due, and the page has drawn those before."""
        now = time.perf_counter()
        if visitor.seat is None or visitor.hidden or visitor.waiting or now < visitor.due:
            return
        if frames := visitor.seat.frames():
            for frame in frames:
                visitor.send(frame)
            visitor.sent, visitor.parts = visitor.sent + len(frames), len(frames)
            visitor.due = max(visitor.due + pace, now)


def raise_nothing_open() -> None:
    """The sentence for a message before `open`."""
    raise GanforgeError("nothing is open yet; send open first")
