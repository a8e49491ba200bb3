"""The lab's server over its protocol: who may come in, what is refused, what a visitor gets, and when a game ends."""

import http.client
import json
import socket as stdlib
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from ganforge import cli
from ganforge.errors import DataError, RecipeError
from ganforge.lab import server, worker
from ganforge.lab.frames import read_frame
from ganforge.lab.instruments import game
from ganforge.lab.messages import COMMON, LARGEST, message_of
from ganforge.lab.serve import bound, configured, serve
from ganforge.lab.server import Door

LINK = {"settings": ["generator.hidden=[4]", "discriminator.hidden=[4]", "train.batch=16"]}


class Lab:
    """A lab on a real socket, served by a thread."""

    def __init__(self, **door: Any) -> None:
        self.listening = bound("127.0.0.1", 0)
        self.port = self.listening.getsockname()[1]
        self.server = uvicorn.Server(configured(Door(**door), None))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]})
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=60)
        assert not self.thread.is_alive()

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body, by a client that leaves the path as it is."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        line.request("GET", path, headers=headers)
        response = line.getresponse()
        found = response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        line.close()
        return found

    def visit(self, path: str = "/socket", origin: str | None = "", **headers: str) -> ClientConnection:
        """A socket, by default as the lab's own page opens it."""
        own = f"http://127.0.0.1:{self.port}"
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            origin=None if origin is None else Origin(origin or own),
            additional_headers=headers,
            proxy=None,
            compression=None,
        )


@contextmanager
def opened(**door: Any) -> Iterator[Lab]:
    lab = Lab(**door)
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with opened(seats=3) as at:
        yield at


def say(socket: ClientConnection, **message: Any) -> None:
    socket.send(json.dumps(message))


def told(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next words of a kind; frames and other words are passed over."""
    for _ in range(400):
        message = socket.recv(timeout=60)
        if isinstance(message, str) and (found := json.loads(message))["kind"] == kind:
            return dict(found)
    raise AssertionError(f"nothing of the kind {kind}")


def pictured(socket: ClientConnection) -> tuple[dict[str, Any], dict[str, Any]]:
    """The next frame."""
    for _ in range(400):
        message = socket.recv(timeout=60)
        if isinstance(message, bytes):
            return read_frame(message)
    raise AssertionError("no frame")


def seated(lab: Lab) -> AbstractContextManager[ClientConnection]:
    """A socket whose game is open."""

    @contextmanager
    def game() -> Iterator[ClientConnection]:
        with free_seat(lab) as socket:
            say(socket, kind="open", instrument="game", link=LINK)
            assert told(socket, "state")["opened"]
            yield socket

    return game()


def free_seat(lab: Lab) -> ClientConnection:
    """A socket, once those of the test before have been let go."""
    deadline = time.monotonic() + 10
    while visitors(lab) and time.monotonic() < deadline:
        time.sleep(0.01)
    return lab.visit()


def visitors(lab: Lab) -> int:
    """How many visitors the lab's worker knows."""
    return len(lab.server.config.app.state.worker.visitors)  # type: ignore[union-attr]


# pages


def test_the_page_and_its_parts_are_small_and_closed_to_everything_else(lab: Lab) -> None:
    parts = [str(path.relative_to(server.STATIC)) for path in server.STATIC.rglob("*") if path.is_file()]
    total = 0
    for part in [*parts, "catalogue.json"]:
        status, headers, body = lab.get("/" if part == "index.html" else f"/{part}")
        assert status == 200
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        total += len(body)
        assert b"http://" not in body.replace(b"http://www.w3.org/", b"")
        assert b"https://" not in body
    assert total < 300_000


@pytest.mark.parametrize(
    "path", ["/nothing", "/../server.py", "/%2e%2e/server.py", "/..%2f..%2f..%2fetc/passwd", "/instruments"]
)
def test_nothing_else_is_served(lab: Lab, path: str) -> None:
    assert lab.get(path)[0] == 404


def test_another_name_of_this_machine_is_refused(lab: Lab) -> None:
    status, _, body = lab.get("/", host="evil.example")
    assert status == 403
    assert b"evil.example" in body


# who may come in


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", None])
def test_a_socket_of_another_site_is_refused(lab: Lab, origin: str | None) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        lab.visit(origin=origin)
    assert refusal.value.response.status_code == 403


def test_a_token_is_asked_for_on_pages_and_sockets() -> None:
    with opened(token="correct-horse", hosts=()) as at:
        for path in ("/", "/catalogue.json", "/lab.js", "/?token=wrong"):
            assert at.get(path)[0] == 403
        for path in ("/socket", "/socket?token=wrong", "/socket?token=%E2%82%AC"):
            with pytest.raises(InvalidStatus):
                at.visit(path)
        status, headers, _ = at.get("/?token=correct-horse")
        assert status == 200
        assert {"HttpOnly", "SameSite=strict"} <= set(headers["set-cookie"].split("; "))
        cookie = headers["set-cookie"].split(";")[0]
        assert at.get("/lab.js", cookie=cookie)[0] == 200
        with at.visit(cookie=cookie) as socket:
            say(socket, kind="open", instrument="game", link=LINK)
            assert told(socket, "state")["opened"]


def test_seats_are_counted_and_given_back(lab: Lab) -> None:
    with free_seat(lab), lab.visit(), lab.visit(), lab.visit() as late:
        assert "3 seats and all are taken" in told(late, "closed")["text"]
        with pytest.raises(ConnectionClosed):
            late.recv(timeout=60)
    with seated(lab):
        pass


# what is refused

BAD = [
    ("no JSON", "is no JSON"),
    ("[1]", "no message of the kind"),
    ('{"kind": "dance"}', "no message of the kind 'dance'"),
    ('{"kind": "step"}', "what"),
    ('{"kind": "step", "what": "both", "count": 501}', "less than or equal to 500"),
    ('{"kind": "step", "what": "both", "count": "2"}', "integer"),
    ('{"kind": "step", "what": "both", "twice": 1}', "no key 'twice'"),
    ('{"kind": "set", "settings": ["x"]}', "at least 3"),
    ('{"kind": "set", "settings": "data=moons"}', "array"),
    ('{"kind": "layers", "names": ["secret"]}', "names"),
    ('{"kind": "ask", "x": NaN, "y": 0}', "finite number"),
    ('{"kind": "pace", "rounds": -1, "slow": false}', "greater than or equal to 0"),
    ('{"kind": "set", "settings": ["data.source=/etc/passwd"]}', "the lab plays"),
    ('{"kind": "set", "settings": ["objective"]}', "is no setting"),
    ("[" * 5000, "no JSON"),
]


def test_what_makes_no_sense_gets_one_sentence_and_the_game_goes_on(lab: Lab) -> None:
    with seated(lab) as socket:
        for text, words in BAD:
            socket.send(text)
            refusal = told(socket, "refused")["text"]
            assert words in refusal
            assert len(refusal) < 300
        say(socket, kind="step", what="both", count=2)
        assert told(socket, "state")["round"] == 2


def test_a_message_is_bounded_before_it_is_read(lab: Lab) -> None:
    with pytest.raises(RecipeError, match=str(LARGEST)):
        message_of('{"kind": "seen", "frame": 1' + " " * LARGEST + "}", COMMON)
    with pytest.raises(RecipeError, match="not bytes"):
        message_of(b"{}", COMMON)
    with free_seat(lab) as socket:
        socket.send(" " * 100_000)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_too_much_nonsense_and_too_much_at_once_end_a_visit(lab: Lab) -> None:
    with free_seat(lab) as socket:
        for _ in range(server.FAULTS):
            socket.send("?")
        assert "make no sense" in told(socket, "closed")["text"]
    with free_seat(lab) as socket:
        for _ in range(int(server.BURST) + 60):
            socket.send('{"kind": "seen", "frame": 0}')
        assert "messages a second" in told(socket, "closed")["text"]


def test_nothing_is_played_before_something_is_open(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with free_seat(lab) as socket:
        say(socket, kind="open", instrument="piano")
        assert "no instrument 'piano'" in told(socket, "refused")["text"]
        say(socket, kind="open", instrument="game", link={"settings": ["generator=os.system"]})
        assert "the lab plays points" in told(socket, "refused")["text"]
        say(socket, kind="play", on=True)
        assert "open first" in told(socket, "refused")["text"]
        say(socket, kind="open", instrument="game", link={"games": 7})
        assert "holds no game" in told(socket, "refused")["text"]
    monkeypatch.setattr(server, "PATIENCE", 0.05)
    with free_seat(lab) as socket:
        assert "nothing was opened" in told(socket, "closed")["text"]


# playing


def test_frames_wait_for_the_page_and_a_hidden_tab_stands_still(lab: Lab) -> None:
    with seated(lab) as socket:
        pictured(socket)
        say(socket, kind="play", on=True)
        header, _ = pictured(socket)  # two frames are under way: no third is sent
        with pytest.raises(TimeoutError):
            pictured_within(socket, 0.3)
        say(socket, kind="seen", frame=10**6)
        later, _ = pictured(socket)
        assert later["round"] > header["round"]
        say(socket, kind="hide", on=True)
        say(socket, kind="pace", rounds=0, slow=False)
        standing = told(socket, "state")["round"]
        time.sleep(0.2)
        say(socket, kind="pace", rounds=0, slow=False)
        assert told(socket, "state")["round"] == standing


def pictured_within(socket: ClientConnection, seconds: float) -> None:
    """Returns at a frame; TimeoutError where none comes."""
    deadline = time.monotonic() + seconds
    while not isinstance(socket.recv(timeout=max(0.0, deadline - time.monotonic())), bytes):
        pass


def test_words_and_frames_leave_at_once(lab: Lab) -> None:
    """Between a state and its frame no packet waits for the acknowledgement of the one before, some 40 ms."""
    with seated(lab) as socket:
        pictured(socket)
        (connection,) = lab.server.server_state.connections
        line = connection.transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert line.getsockopt(stdlib.IPPROTO_TCP, stdlib.TCP_NODELAY)


def test_what_was_late_is_made_up_for_and_what_was_much_too_late_is_not() -> None:
    room, sent = worker.Room(), list[str | bytes]()
    pace = 1 / worker.RATE
    visitor = worker.Visitor(sent.append, seat=worker.INSTRUMENTS["game"].open_seat(LINK, room))
    at = worker.Worker(room)
    for late, due in ((0.4 * pace, pytest.approx(0.6 * pace, abs=0.2 * pace)), (9.0, pytest.approx(0, abs=0.2 * pace))):
        visitor.seat.fresh = True  # type: ignore[union-attr]
        now = time.perf_counter()
        visitor.due, visitor.drawn = now - late, visitor.sent
        at._draw(visitor, pace)
        assert visitor.due - now == due
    assert len(sent) == 2
    visitor.seat.fresh, visitor.due = True, time.perf_counter() + 5  # type: ignore[union-attr]
    at._draw(visitor, pace)
    assert len(sent) == 2


def test_a_game_with_a_pace_lets_the_lab_rest_until_its_next_round() -> None:
    visitor = worker.Visitor(lambda _: None, seat=worker.INSTRUMENTS["game"].open_seat(LINK, worker.Room()))
    seat: Any = visitor.seat
    seat.receive(message_of('{"kind":"pace","rounds":2,"slow":false}', game.MESSAGES))
    seat.receive(message_of('{"kind":"play","on":true}', game.MESSAGES))
    assert visitor.rest(time.perf_counter()) == 0
    seat.frames()
    before = time.perf_counter()
    seat.advance(0.1)
    assert seat.tables[0].play.rounds == 1
    assert visitor.rest(time.perf_counter()) <= 0.5
    assert visitor.rest(before) > 0.3  # however long the machine took since then


def test_a_page_that_draws_nothing_any_more_is_not_played_for(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "GONE", 0.1)
    with seated(lab) as socket:
        say(socket, kind="play", on=True)
        time.sleep(0.5)
        say(socket, kind="pace", rounds=0, slow=False)
        first = told(socket, "state")["round"]
        time.sleep(0.6)
        say(socket, kind="pace", rounds=0, slow=False)
        assert told(socket, "state")["round"] - first < 200  # a tenth of a second's, not half a second's


def test_a_game_that_breaks_ends_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with seated(lab) as broken, lab.visit() as other:
        say(other, kind="open", instrument="game", link=LINK)
        told(other, "state")

        def fails(*_: object) -> None:
            raise ZeroDivisionError("on purpose")

        monkeypatch.setattr("ganforge.lab.instruments.game.Seat.do_reset", fails)
        say(broken, kind="reset")
        assert "ZeroDivisionError: on purpose" in told(broken, "failed")["text"]
        say(other, kind="step", what="both", count=1)
        assert told(other, "state")["round"] == 1


def test_the_worker_forgets_who_has_left(lab: Lab) -> None:
    with seated(lab) as socket:
        say(socket, kind="play", on=True)
        pictured(socket)
        assert visitors(lab) == 1
        socket.socket.close()  # without a word
    deadline = time.monotonic() + 5
    while visitors(lab) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert visitors(lab) == 0


# the command


def test_the_command_refuses_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        serve(host="127.0.0.1", port=0, runs=tmp_path / "none", token=None)
    with pytest.raises(RecipeError, match="12 or more"):
        serve(host="0.0.0.0", port=0, runs=None, token="short")
    taken = bound("127.0.0.1", 0)
    taken.listen()
    with pytest.raises(DataError, match="can't be listened at"):
        bound("127.0.0.1", taken.getsockname()[1])
    taken.close()


def test_without_the_extra_the_command_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganforge.lab.serve.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"pip install 'ganforge\[lab\]'"):
        cli.lab(host="127.0.0.1", port=0, runs=None, token=None)
