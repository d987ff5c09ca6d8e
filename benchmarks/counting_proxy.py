"""A proxy on this machine that counts what passes from a package index."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

PIECE = 1024 * 1024
LIMIT = 300.0


class CountingProxy(socketserver.ThreadingTCPServer):
    """Passes on what is encrypted between clients and servers, and counts the servers' bytes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.received = 0
        self._counting = threading.Lock()

    @property
    def url(self) -> str:
        """The proxy's address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def count(self, size: int) -> None:
        """Count bytes that a server sent."""
        with self._counting:
            self.received += size


class _Tunnel(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Answer ``CONNECT host:port``, then pass on what either side sends."""
        head = b""
        while b"\r\n\r\n" not in head and (piece := self.request.recv(PIECE)):
            head += piece
        method, _, rest = head.decode("ascii", "replace").partition(" ")
        where = urlsplit("//" + rest.partition(" ")[0])
        if method != "CONNECT" or not where.hostname:
            self.request.sendall(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        with socket.create_connection((where.hostname, where.port or 443)) as there:
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with contextlib.suppress(OSError):
                self._pass_on(there)

    def _pass_on(self, there: socket.socket) -> None:
        other = {self.request: there, there: self.request}
        while ready := select.select(list(other), [], [], LIMIT)[0]:
            for source in ready:
                piece = source.recv(PIECE)
                if not piece:
                    return
                if source is there:
                    self.server.count(len(piece))  # type: ignore[attr-defined]
                other[source].sendall(piece)


@contextlib.contextmanager
def counting() -> Iterator[CountingProxy]:
    """Run a proxy for as long as the context lasts."""
    with CountingProxy() as proxy:
        serving = threading.Thread(target=proxy.serve_forever, daemon=True)
        serving.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            serving.join()
