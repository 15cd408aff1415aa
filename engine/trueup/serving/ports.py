"""Ports that servers listen at. Called when a service or a gateway is made; a port once chosen is kept in its settings."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Collection

LOWEST, HIGHEST = 20000, 32767
"""Below the ports that kernels give to outgoing connections, so that a kept port is not lost to one while its server is down."""


def free(address: str = "127.0.0.1", avoid: Collection[int] = ()) -> int:
    """A port that no one listens at, outside of `avoid`. Raises OSError where the address is not of this machine."""
    while True:
        port = random.randint(LOWEST, HIGHEST)
        if port in avoid:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    continue
                raise
            return port


def taken(port: int, address: str = "127.0.0.1") -> bool:
    """Whether another socket listens at the port. (SO_REUSEADDR passes over connections that are only closing.)"""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return True
    return False


def shared(port: int, address: str = "127.0.0.1") -> socket.socket:
    """A bound socket that processes of the same user may bind beside this one, so that a successor listens before the old one ends."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # Inherited by each connection: else an answer in two packets, head and body, waits 40 ms for the first one's acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind((address, port))
    return sock
