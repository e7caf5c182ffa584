"""Our frames are pika's, byte for byte."""

import pika
import pika.frame
import pika.spec
import pytest

from callboard.broker import frames


@pytest.mark.parametrize("body", [b"", b"x" * 10, b"y" * 4096, b"z" * 10_000], ids=len)
@pytest.mark.parametrize(("exchange", "key", "level"), [("", "cb.default", 0), ("cb.delay.3", "1.0.x", 2)])
def test_a_publish(body: bytes, exchange: str, key: str, level: int) -> None:
    properties = pika.BasicProperties(delivery_mode=2, priority=level, message_id="0199-a")
    method = pika.spec.Basic.Publish(exchange=exchange, routing_key=key, mandatory=True)
    wanted = pika.frame.Method(7, method).marshal()
    wanted += pika.frame.Header(7, len(body), properties).marshal()
    for start in range(0, len(body), 4096):
        wanted += pika.frame.Body(7, body[start : start + 4096]).marshal()
    assert frames.publish(7, exchange, key, body, level, "0199-a", 4096) == wanted


@pytest.mark.parametrize("tag", [1, 255, 2**40])
def test_an_ack(tag: int) -> None:
    assert frames.ack(3, tag) == pika.frame.Method(3, pika.spec.Basic.Ack(tag)).marshal()
