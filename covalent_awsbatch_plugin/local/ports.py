"""Free ports below the range that systems use for outgoing connections."""

from __future__ import annotations

import random
import socket

# Above the well-known services, below the ephemeral range (32768 to 60999 on Linux).
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens.

    Raises:
        RuntimeError: There is none.
    """
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"No port from {PORTS.start} to {PORTS.stop - 1} is free.")
