"""`ganforge lab`: an address, a token where others can reach it, and the server until Ctrl-C."""

import secrets
import signal
import socket
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ganforge.errors import DataError, RecipeError

if TYPE_CHECKING:
    import uvicorn

    from ganforge.lab.server import Door

__all__ = ["bound", "configured", "serve"]

NEEDED = ("starlette", "uvicorn", "websockets")


def serve(*, host: str, port: int, runs: Path | None, token: str | None) -> None:
    """Serve the lab until Ctrl-C. On loopback no token is asked for; on any other host one is, made or given.

    Raises:
        RecipeError: if the extra isn't installed, or the token is too short to be one.
        DataError: if there is no such folder of runs, or the port is taken.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise RecipeError(f"the lab needs {', '.join(missing)}: pip install 'ganforge[lab]'")
    if runs is not None and not runs.is_dir():
        raise DataError(f"--runs {str(runs)!r} is no folder; name the one that holds your runs")
    if token is not None and len(token) < 12:
        raise RecipeError(f"--token has {len(token)} characters; give 12 or more, or none and one is made")
    import uvicorn

    from ganforge.lab.server import LOOPBACK, Door

    private = host in LOOPBACK
    token = token or ("" if private else secrets.token_urlsafe(18))
    listening = bound(host, port)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening.getsockname()[1]}/" + (f"?token={token}" if token else "")
    server = uvicorn.Server(configured(Door(token=token, hosts=LOOPBACK if private else ()), runs))
    print(f"the lab is open at {address}", file=sys.stderr, flush=True)
    print("Ctrl-C closes it", file=sys.stderr, flush=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # uvicorn raises it again once all is closed
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    print("closed", file=sys.stderr)


def configured(door: "Door", runs: Path | None) -> "uvicorn.Config":
    """The server as the lab runs it: sockets bounded, nothing compressed, no lines for each request."""
    import uvicorn

    from ganforge.lab.instruments import Room
    from ganforge.lab.messages import LARGEST
    from ganforge.lab.server import application

    return uvicorn.Config(
        application(door=door, room=Room(runs=runs)),
        ws="websockets-sansio",
        ws_max_size=LARGEST + 1024,
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        limit_concurrency=512,
    )


def bound(host: str, port: int) -> socket.socket:
    """A socket at that address.

    Raises:
        DataError: if there is no such address here, or somebody else listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio leaves Nagle on: 40 ms
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)  # who opens the address the moment it is printed waits instead of being refused
    except (OSError, OverflowError) as error:
        listening.close()
        raise DataError(f"{host}:{port} can't be listened at ({error}); choose another --port or --host") from None
    return listening
