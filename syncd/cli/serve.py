"""The daemon's process: the engine in its threads, the web server in the main one."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from syncd.cli.errors import AGAIN, CONFIG, Failure
from syncd.cli.stop import Stop
from syncd.engine.embedded import Embedded
from syncd.flow.app import App
from syncd.web.app import create_server


class Server(uvicorn.Server):
    """uvicorn, which tells when it listens and leaves the signals to us: it would raise them again in the end."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()


def serve(app: App, stop: Stop, ready: Callable[[str], None]) -> None:
    """Run engine and web server until a signal; `ready` is told the URL once requests are taken."""
    host, port = app.config.server.address
    listener = listen(host, port)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    engine, server = Embedded(app), Server(create_server(app).config, lambda: ready(url))
    stop.then(lambda: setattr(server, "should_exit", True))
    engine.start()
    try:
        server.run(sockets=[listener])
    finally:
        # The steps were told at the signal, so they have been ending beside the requests.
        if engine.stop(patience=max(stop.left() - 1, 0)):
            app.database.dispose()  # nobody uses it any more; SQLite leaves one tidy file


def listen(host: str, port: int) -> socket.socket:
    """Take the address; 0 is any free port. Raises `Failure` saying what to change."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise Failure(
            f"error: server.listen: {host} is no address of this machine: {error.strerror}", CONFIG
        ) from error
    try:
        # A predecessor's closed connections must not keep the address for minutes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise Failure(f"error: server.listen: {host} is no address of this machine", CONFIG) from error
        told = f"error: cannot listen on {host}:{port}: {error.strerror}; is another syncd running? see server.listen"
        raise Failure(told, AGAIN) from error
    return listener
