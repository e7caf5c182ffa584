"""How every program of ours connects to RabbitMQ, and what it makes of pika's errors."""

from typing import Final

import pika

#: AMQP heartbeat, seconds: RabbitMQ gives a half-open connection up after two of them, pika after 11 to 22 s.
HEARTBEAT_S: Final = 6
#: Seconds a publish waits for a blocked RabbitMQ before it counts as failed and is tried again.
BLOCKED_S: Final = 5


def connection_parameters(url: str) -> list[pika.URLParameters]:
    """Return pika's parameters of a `;`-separated list of URLs, with our time limits."""
    found = []
    for part in url.split(";"):
        parameters = pika.URLParameters(part)
        parameters.heartbeat = HEARTBEAT_S
        parameters.blocked_connection_timeout = BLOCKED_S
        parameters.socket_timeout = 5
        parameters.stack_timeout = 8
        parameters.connection_attempts = 1
        found.append(parameters)
    return found


def reason(error: BaseException) -> str:
    """Return a short text of an AMQP error; pika nests the cause of a failed connect."""
    inner = getattr(error, "args", ())
    while inner and isinstance(inner[-1], BaseException):
        error, inner = inner[-1], inner[-1].args
    nested = getattr(error, "exception", None) or (getattr(error, "exceptions", None) or [None])[-1]
    if isinstance(nested, BaseException):
        return reason(nested)
    return str(error)[:200] or type(error).__name__


def is_missing(error: BaseException) -> bool:
    """Tell whether RabbitMQ has no such queue or exchange (any more)."""
    return getattr(error, "reply_code", None) == 404
