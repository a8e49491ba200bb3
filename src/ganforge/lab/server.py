"""The lab's server: a page, its parts, and a socket for each visitor. Who may come in is decided here."""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ganforge.errors import RecipeError
from ganforge.lab.catalogue import catalogue
from ganforge.lab.frames import words
from ganforge.lab.instruments import INSTRUMENTS, Room
from ganforge.lab.messages import COMMON, message_of
from ganforge.lab.worker import Visitor, Worker

__all__ = ["LOOPBACK", "Door", "application"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
COOKIE = "ganforge_lab"
PATIENCE = 10.0  # seconds that a socket may stay without opening an instrument
FAULTS = 20  # malformed messages after which a socket is closed
RATE, BURST = 120.0, 240.0  # messages a second that a visitor may send, and at once
WAITING = 96  # words and frames that may wait for a slow line


@dataclass
class Door:
    """Who may come in.

    Attributes:
        token: what HTTP and the socket ask for; empty on loopback.
        hosts: names by which the server may be called; empty: any (a token is asked for then).
        seats: visitors at once.
    """

    token: str = ""
    hosts: tuple[str, ...] = LOOPBACK
    seats: int = 8
    taken: int = field(default=0, init=False)

    def refusal(self, connection: HTTPConnection) -> str:
        """Why somebody may not come in, in a sentence; empty where they may."""
        host = urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
        if self.hosts and host not in self.hosts:
            return f"this server isn't called {host[:60]!r}; open it by the address that it printed"
        if self.token and not self.known(connection):
            return "this lab asks for its token; open the address that it printed"
        return ""

    def known(self, connection: HTTPConnection) -> bool:
        """Whether the token came along, in the address or in the cookie that the page got for it."""
        given = connection.query_params.get("token") or connection.cookies.get(COOKIE) or ""
        return hmac.compare_digest(given.encode(), self.token.encode())

    def stranger(self, socket: WebSocket) -> bool:
        """Whether a socket was opened by another site's page."""
        origin = urlsplit(socket.headers.get("origin", ""))
        return origin.scheme not in ("http", "https") or origin.netloc != socket.headers.get("host", "")


@dataclass
class Bucket:
    """What a visitor may still say: it fills by `RATE` a second up to `BURST`."""

    level: float = BURST
    last: float = field(default_factory=time.monotonic)

    def takes(self) -> bool:
        """Whether one more message may pass."""
        now = time.monotonic()
        self.level = min(BURST, self.level + (now - self.last) * RATE) - 1
        self.last = now
        return self.level >= 0


def application(*, door: Door, room: Room | None = None) -> Starlette:
    """The lab as an ASGI application."""
    worker = Worker(room or Room())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        worker.start()
        yield
        worker.stop()

    async def page(request: Request) -> Response:
        name = request.path_params.get("path", "index.html")
        path = (STATIC / name).resolve()
        if path.suffix not in TYPES or not path.is_relative_to(STATIC) or not path.is_file():
            return PlainTextResponse("there is no such page", 404)
        return FileResponse(path, media_type=TYPES[path.suffix])

    async def choices(request: Request) -> Response:
        return JSONResponse(listing)

    async def socket(connection: WebSocket) -> None:
        await visit(connection, door, worker)

    listing = {"instruments": {name: file.TITLE for name, file in INSTRUMENTS.items()}, "catalogue": catalogue()}
    routes = [
        Route("/", guarded(page, door)),
        Route("/catalogue.json", guarded(choices, door)),
        WebSocketRoute("/socket", socket),
        Route("/{path:path}", guarded(page, door)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.worker = worker
    return app


def guarded(answer: Callable[[Request], Awaitable[Response]], door: Door) -> Callable[[Request], Awaitable[Response]]:
    """An answer for those who may come in; with the cookie for the rest of the visit, where there is a token."""

    async def asked(request: Request) -> Response:
        refusal = door.refusal(request)
        response = PlainTextResponse(refusal, 403) if refusal else await answer(request)
        response.headers.update(HEADERS)
        if door.token and not refusal:
            response.set_cookie(COOKIE, door.token, httponly=True, samesite="strict")
        return response

    return asked


async def visit(socket: WebSocket, door: Door, worker: Worker) -> None:
    """One socket from its first byte to its last."""
    if door.refusal(socket) or door.stranger(socket):
        await socket.close(1008)
        return
    await socket.accept()
    if door.taken >= door.seats:
        await farewell(socket, 1013, f"the lab has {door.seats} seats and all are taken; come back in a while")
        return
    door.taken += 1
    visitor, outbox = seated()
    worker.enter(visitor)
    writer = asyncio.create_task(writing(socket, outbox))
    reader = asyncio.create_task(reading(socket, visitor, worker))
    try:
        await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        worker.leave(visitor)
        door.taken -= 1
        for task in (writer, reader):
            task.cancel()
        for task in (writer, reader):
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, OSError):
                await task
    await farewell(socket, 1000, "")


def seated() -> tuple[Visitor, "asyncio.Queue[str | bytes | None]"]:
    """A visitor, and the queue of what is to be sent to it; None ends it, as does a line too slow to empty it."""
    loop, outbox = asyncio.get_running_loop(), asyncio.Queue[str | bytes | None]()

    def put(said: str | bytes) -> None:
        outbox.put_nowait(said if outbox.qsize() < WAITING else None)

    def send(said: str | bytes) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(put, said)

    return Visitor(send), outbox


async def writing(socket: WebSocket, outbox: "asyncio.Queue[str | bytes | None]") -> None:
    """Send what there is to send."""
    while (said := await outbox.get()) is not None:
        if isinstance(said, bytes):
            await socket.send_bytes(said)
        else:
            await socket.send_text(said)


async def reading(socket: WebSocket, visitor: Visitor, worker: Worker) -> None:
    """Take messages, check each, and hand the good ones over."""
    bucket, faults = Bucket(), 0
    while True:
        timeout = None if visitor.kinds else PATIENCE
        try:
            told = await asyncio.wait_for(socket.receive(), timeout)
        except TimeoutError:
            return await farewell(socket, 1008, "nothing was opened; reload the page")
        if told["type"] == "websocket.disconnect":
            return None
        if not bucket.takes():
            return await farewell(socket, 1008, f"more than {RATE:g} messages a second; slow down and reload")
        try:
            message = message_of(told.get("text") or told.get("bytes") or "", COMMON | visitor.kinds)
            if message.kind == "open":
                visitor.kinds = kinds_of(message.instrument)
        except RecipeError as error:
            faults += 1
            visitor.send(words({"kind": "refused", "of": "", "text": str(error), "settings": []}))
            if faults >= FAULTS:
                return await farewell(socket, 1008, f"{FAULTS} messages that make no sense; reload the page")
            continue
        if not worker.tell(visitor, message):
            visitor.send(words({"kind": "refused", "of": message.kind, "text": "too much at once; wait a moment",
                                "settings": []}))  # fmt: skip


def kinds_of(instrument: str) -> dict[str, type]:
    """What an instrument's page may say.

    Raises:
        RecipeError: if there is no such instrument.
    """
    if instrument not in INSTRUMENTS:
        raise RecipeError(f"there is no instrument {instrument!r}; there are: {', '.join(INSTRUMENTS)}")
    kinds: dict[str, type] = INSTRUMENTS[instrument].MESSAGES
    return kinds


async def farewell(socket: WebSocket, code: int, text: str) -> None:
    """Say why, and close."""
    with suppress(RuntimeError, WebSocketDisconnect, OSError):
        if socket.application_state is WebSocketState.CONNECTED:
            if text:
                await socket.send_text(words({"kind": "closed", "text": text}))
            await socket.close(code)
