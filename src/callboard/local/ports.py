"""Free TCP ports on loopback, for servers that this machine runs for itself."""

import random
import socket
from typing import Final

from callboard.local.process import LocalServerError

LOOPBACK: Final = "127.0.0.1"

# Below Linux's range for outgoing connections (32768 and up), so that no connection takes the port of a
# server that is just being restarted.
_RANGE: Final = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` of 127.0.0.1 now."""
    with socket.socket() as probe:
        return _bind(probe, port)


def free_ports(count: int, *, avoid: frozenset[int] = frozenset()) -> list[int]:
    """Return `count` different free ports, none of them in `avoid`.

    They stay this process's until it ends: whoever else asks here gets others, also before a server listens.
    Raises LocalServerError when there are not so many.
    """
    ports: list[int] = []
    for port in random.sample(_RANGE, len(_RANGE)):
        if len(ports) == count:
            break
        if port not in avoid and is_free(port) and _claim(port):
            ports.append(port)
    if len(ports) < count:
        numbers = f"{_RANGE.start} to {_RANGE.stop - 1}"
        raise LocalServerError(f"too few ports from {numbers} of {LOOPBACK} are free; end what listens there")
    return ports


def accepts(port: int) -> bool:
    """Tell whether something answers a connection to `port` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _claim(port: int) -> bool:
    # The UDP port of the same number, which no server of ours uses; open until this process ends.
    claim = socket.socket(type=socket.SOCK_DGRAM)
    try:
        claim.bind((LOOPBACK, port))
    except OSError:
        claim.close()
        return False
    claim.detach()
    return True


def _bind(probe: socket.socket, port: int) -> bool:
    # As servers do: a port whose last connections are in TIME_WAIT is free, one with a listener is not.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((LOOPBACK, port))
    except OSError:
        return False
    return True
