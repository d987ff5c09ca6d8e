"""The HTTP server of the local AWS: threads, connections that are kept, nothing left on a stop."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from ..ports import free_port
from .operations import Wsgi

HOST = "127.0.0.1"
WAITING_CONNECTIONS = 512
TRIES = 5

# How soon a stop is noticed.
POLL_SECONDS = 0.05


class Server:
    """Serves an application on 127.0.0.1, in threads of this process.

    Attributes:
        port: Its port, bound from the beginning.
    """

    def __init__(self, port: int = 0) -> None:
        """Bind the port.

        Args:
            port: The port; a free one below 32768 by default.

        Raises:
            OSError: The port is taken.
        """
        self._listener = _listen(port)
        self.port: int = self._listener.getsockname()[1]
        self._server: Any = None

    def serve(self, application: Wsgi) -> None:
        """Begin to serve a WSGI application."""
        self._server = _make(application, self._listener)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="local AWS", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and end every connection."""
        self._listener.close()
        if self._server is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.end_connections()


def _listen(port: int) -> socket.socket:
    for remaining in range(TRIES - 1, -1, -1):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port or free_port()))
            listener.listen(WAITING_CONNECTIONS)
        except OSError:
            listener.close()
            # Another process may take a free port before we do.
            if port or not remaining:
                raise
        else:
            return listener
    raise AssertionError("unreachable")


def _make(application: Wsgi, listener: socket.socket) -> Any:
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import ThreadedWSGIServer

    class Handler(MotoRequestHandler):  # type: ignore[misc]
        # Headers and body go out as two packets: without this, each answer waits 40 ms for the
        # other side's acknowledgement.
        disable_nagle_algorithm = True

        def log_request(self, *_: Any) -> None:
            """Log no requests."""

    class Connections(ThreadedWSGIServer):  # type: ignore[misc]
        block_on_close = False

        def __init__(self) -> None:
            self._open: set[socket.socket] = set()
            super().__init__(HOST, 0, application, Handler, fd=listener.fileno())

        def process_request(self, request: Any, client_address: Any) -> None:
            self._open.add(request)
            super().process_request(request, client_address)

        def shutdown_request(self, request: Any) -> None:
            self._open.discard(request)
            super().shutdown_request(request)

        def end_connections(self) -> None:
            for connection in list(self._open):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    return Connections()
