"""The proxies whose word on the client's address is taken. Pure."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Networks = tuple[IPv4Network | IPv6Network, ...]


def parse_networks(text: str) -> Networks:
    """Return the networks of `10.0.0.0/8,127.0.0.1`; raises ValueError."""
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no list of addresses or networks; e.g. 10.0.0.0/8,::1") from None


def checked(text: str) -> tuple[str, ...]:
    """Return the same networks as texts, as settings keep them; raises ValueError."""
    return tuple(map(str, parse_networks(text)))


def client_of(peer: str, forwarded: list[str], proxies: Networks) -> str:
    """Return the client's address, of the connection's peer and the values of `X-Forwarded-For`.

    Every proxy adds whom it saw at the end: who is no proxy of ours is the client, and whatever stands
    before it may be made up.
    """
    found = peer
    chain = [part.strip() for value in forwarded for part in value.split(",")]
    while _inside(found, proxies) and chain:
        before = chain.pop()
        try:
            found = str(ip_address(before))
        except ValueError:
            break
    return found


def _inside(text: str, proxies: Networks) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in proxies)
