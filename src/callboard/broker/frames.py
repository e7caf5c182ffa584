"""The AMQP frames of a publish and of an ack, as bytes. pika makes them from objects, one socket write each;
encoding them here and writing once per tick of the loop is a third of the publisher's cost.

AMQP 0-9-1 specification, sections 2.3.5 (frames) and 4.2.6.1 (content header); a contract test
compares every byte with pika's own.
"""

import functools
import struct
from typing import Final

import pika.frame
import pika.spec

_END: Final = b"\xce"
#: frame type 2, channel, payload size, class 60 (basic), weight 0, body size, property flags,
#: delivery mode, priority, length of the message id
_HEADER: Final = struct.Struct(">BHIHHQHBBB")
_BODY: Final = struct.Struct(">BHI")
_FLAGS: Final = (
    pika.spec.BasicProperties.FLAG_DELIVERY_MODE
    | pika.spec.BasicProperties.FLAG_PRIORITY
    | pika.spec.BasicProperties.FLAG_MESSAGE_ID
)
_PERSISTENT: Final = 2
#: frame type 1, channel, payload size, class 60 (basic), method 80 (ack), delivery tag, not `multiple`, end
_ACK: Final = struct.Struct(">BHIHHQBB")


@functools.lru_cache(maxsize=512)
def _method(channel: int, exchange: str, routing_key: str) -> bytes:
    method = pika.spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=True)
    return pika.frame.Method(channel, method).marshal()


def publish(
    channel: int, exchange: str, routing_key: str, body: bytes, level: int, message_id: str, frame_most: int
) -> bytes:
    """Return all frames of a persistent, mandatory publish.

    Args:
        channel: the channel's number.
        exchange: "" for the default exchange.
        routing_key: the queue's name there.
        body: the message.
        level: its priority, 0 to 255.
        message_id: ASCII, up to 255 bytes.
        frame_most: bytes of one body frame's payload at most.
    """
    name = message_id.encode("ascii")
    size = 17 + len(name)
    header = _HEADER.pack(2, channel, size, 60, 0, len(body), _FLAGS, _PERSISTENT, level, len(name))
    parts = [_method(channel, exchange, routing_key), header, name, _END]
    for start in range(0, len(body), frame_most):
        chunk = body[start : start + frame_most]
        parts += (_BODY.pack(3, channel, len(chunk)), chunk, _END)
    return b"".join(parts)


def ack(channel: int, tag: int) -> bytes:
    """Return the frame that acks one delivery of a channel."""
    return _ACK.pack(1, channel, 13, 60, 80, tag, 0, _END[0])
