"""Falcon WSGI + plain dramatiq with blocking confirms, under gunicorn's threads; nothing is recorded.

Run by `benchmarks.rig` as `gunicorn benchmarks.peers.plain_dramatiq:app`, the broker in BROKER_URL.
"""

import os
from typing import Any

import dramatiq
import falcon
from dramatiq.brokers.rabbitmq import RabbitmqBroker

broker = RabbitmqBroker(url=os.environ["BROKER_URL"], confirm_delivery=True)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="peer_plain_dramatiq")
def noop() -> None:
    """Do nothing."""


class Tasks:
    """`POST /api/tasks`."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Send one message, confirmed, and answer with its id."""
        body: dict[str, Any] = req.get_media()
        message = noop.send()
        resp.status = 202
        resp.media = {"task_id": message.message_id, "task_type": body["task_type"], "status": "queued"}


app = falcon.App()
app.add_route("/api/tasks", Tasks())
