"""Ports of model servers."""

from __future__ import annotations

import socket

from trueup.serving import ports


def test_an_answer_in_two_packets_is_not_held_back() -> None:
    """asyncio turns Nagle off only for sockets that know their protocol; ours did not, and each answer took 40 ms longer."""
    with ports.shared(0) as listener:
        listener.listen(1)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
