"""What is looked at before anything starts: ports and addresses of this host."""

import socket

import pytest

from deploy.containers import ready
from deploy.containers.env import Env
from deploy.containers.trouble import Trouble


def test_a_port_with_a_listener_is_taken_unless_it_is_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = Env({"COMPOSE_PROFILES": "web", "CALLBOARD_PORT": str(port)})
        with pytest.raises(Trouble, match=f"port {port} of 127.0.0.1 is taken; .* CALLBOARD_PORT="):
            ready.check_ports(found, [])
        ready.check_ports(found, ["web"])
    ready.check_ports(found, [])


@pytest.mark.parametrize("address", ["203.0.113.9", "nonsense.invalid"])
def test_an_address_of_another_host_is_told_as_that(address: str) -> None:
    found = Env({"COMPOSE_PROFILES": "web", "CALLBOARD_BIND": address, "CALLBOARD_PORT": "65000"})
    with pytest.raises(Trouble, match=f"CALLBOARD_BIND={address} is no address of this host"):
        ready.check_ports(found, [])
