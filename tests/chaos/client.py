"""A REST client that writes down what it was told, and believes nothing else."""

import http.client
import json
import random
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

from tests.chaos.ledger import Again, Asked, Cancel, Ledger, Seen

#: Seconds after which a request counts as hanging.
HANG_S: Final = 20.0

Body = dict[str, Any]


class NoAnswer(Exception):
    """The connection was refused (`sent` False) or broke after the request was sent."""

    def __init__(self, *, sent: bool) -> None:
        self.sent = sent
        super().__init__("no answer")


def body(task_type: str, ref: str, *, parameters: Body | None = None, **more: Any) -> Body:
    """Return a submit body."""
    return {"task_type": task_type, "parameters": {"ref": ref, **(parameters or {})}, **more}


def new_ref() -> str:
    """Return a name for one submit."""
    return uuid.uuid4().hex[:16]


class Client:
    """Any number of threads may use it; the web processes take turns."""

    def __init__(self, addresses: Sequence[str], ledger: Ledger, rng: random.Random) -> None:
        self._addresses = addresses
        self._ledger = ledger
        self._rng = rng
        self._local = threading.local()
        self._lock = threading.Lock()
        self._accepted: set[str] = set()

    def call(self, method: str, path: str, value: Any = None, **headers: str) -> tuple[int, Any]:
        """Send one request; return status and JSON. Raises NoAnswer."""
        connection = http.client.HTTPConnection(self._rng.choice(self._addresses), timeout=HANG_S)
        sent = False
        try:
            connection.connect()
            sent = True
            data = None if value is None else json.dumps(value).encode()
            connection.request(method, path, data, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            raise NoAnswer(sent=sent) from None
        finally:
            connection.close()

    def submit(self, kind: str, asked: Body, *, key: str | None = None, end: str = "succeeded") -> Asked:
        """Submit one task and write down the answer."""
        headers = {"Idempotency-Key": key} if key else {}
        began, at = time.monotonic(), time.time()
        try:
            status, answer = self.call("POST", "/api/tasks", asked, **headers)
        except NoAnswer as error:
            status, answer = (-1 if error.sent else 0), None
        took_ms = (time.monotonic() - began) * 1000
        return self._note(kind, asked, (status, answer), at, took_ms, key, end)

    def submit_batch(self, kind: str, items: list[Body]) -> list[Asked]:
        """Submit many tasks at once and write down each answer."""
        began, at = time.monotonic(), time.time()
        try:
            status, answer = self.call("POST", "/api/tasks/batch", {"tasks": items})
        except NoAnswer as error:
            status, answer = (-1 if error.sent else 0), None
        took_ms = (time.monotonic() - began) * 1000
        if status != 207:
            return [self._note(kind, item, (status, answer), at, took_ms) for item in items]
        return [
            self._note(kind, item, (each["status"], each.get("task") or each["error"]), at, took_ms)
            for item, each in zip(items, answer["tasks"], strict=True)
        ]

    def _note(
        self, kind: str, asked: Body, said: tuple[int, Any], at: float, took_ms: float,
        key: str | None = None, end: str = "succeeded",
    ) -> Asked:  # fmt: skip
        status, answer = said
        known = {0: "down", -1: "unknown", 202: "accepted", 409: "conflict", 503: "refused"}
        word = known.get(status, "wrong")
        task_id = answer.get("task_id") if isinstance(answer, dict) else None
        if word == "refused" and task_id:
            word = "told"
        delay = asked.get("delay")
        entry = Asked(
            ref=asked["parameters"]["ref"], kind=kind, answer=word, at=at, took_ms=took_ms, task_id=task_id,
            key=key, due=None if delay is None else at + delay, status=status, end=end,
            detail=str(answer.get("detail", ""))[:100] if isinstance(answer, dict) else "",
        )  # fmt: skip
        self._ledger.write(entry)
        if word == "accepted" and task_id:
            with self._lock:
                self._accepted.add(task_id)
        return entry

    @property
    def accepted(self) -> int:
        """How many tasks have been accepted so far."""
        return len(self._accepted)

    def cancel(self, task_id: str) -> str:
        """Ask to cancel a task and write down what was said; no answer leaves open whether it was done."""
        at = time.time()
        try:
            status, answer = self.call("POST", f"/api/tasks/{task_id}/cancel")
        except NoAnswer as error:
            if error.sent:
                self._ledger.write(Cancel(task_id=task_id, answer="unknown", at=at))
            return "unknown"
        said = "other"
        if status == 200 and answer["status"] == "cancelled":
            said = "cancelled"
        elif status == 202:
            said = "asked"
        self._ledger.write(Cancel(task_id=task_id, answer=said, at=time.time()))
        return said

    def retry(self, task_id: str) -> bool:
        """Ask to run a failed or cancelled task again; tell whether that was accepted.

        No answer, or one that the records could not be reached (503), leaves open whether it will run.
        """
        at = time.time()
        try:
            status, _ = self.call("POST", f"/api/tasks/{task_id}/retry")
        except NoAnswer as error:
            status = -1 if error.sent else 0
        if status == 202:
            self._ledger.write(Again(task_id=task_id, at=time.time()))
        elif status in (-1, 503):
            self._ledger.write(Again(task_id=task_id, at=at, answer="unknown"))
        return status == 202

    def look(self, task_id: str) -> str | None:
        """Read a task; write down its end if it has one. Returns its status."""
        try:
            status, answer = self.call("GET", f"/api/tasks/{task_id}")
        except NoAnswer:
            return None
        if status != 200:
            return None
        if answer["status"] in ("succeeded", "failed", "cancelled"):
            token = answer["result"] if isinstance(answer["result"], str) else None
            seen = Seen(task_id=task_id, status=answer["status"], token=token, at=time.time())
            self._ledger.write(seen)
        return str(answer["status"])
