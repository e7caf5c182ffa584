"""dramatiq's result backend over our records: `message.get_result()` reads what the API shows."""

from typing import Any, NamedTuple

import msgspec
from dramatiq.results import Missing, ResultBackend, ResultFailure

from callboard.store import calls
from callboard.store.keys import Keys
from callboard.store.sync import SyncStore
from callboard.tasks.states import State


class _Failure(NamedTuple):
    type: str
    message: str


class RecordResults(ResultBackend):
    """Results live in the task's record and nowhere else."""

    def __init__(self, store: SyncStore, keys: Keys) -> None:
        super().__init__(namespace=keys.prefix)
        self._records = store
        self._keys = keys

    def build_message_key(self, message: Any) -> str:
        """Return the task id."""
        return str(message.message_id)

    def unwrap_result(self, res: Any) -> Any:
        """Return the result; raises dramatiq's ResultFailure for a failed or cancelled task."""
        if isinstance(res, _Failure):
            raise ResultFailure(f"actor raised {res.type}: {res.message}", res.type, res.message)
        return res

    def _get(self, message_key: str) -> Any:
        record = self._records.run(calls.read(self._keys, message_key))
        if record is None or not record.terminal:
            return Missing
        if record.status is State.SUCCEEDED:
            return msgspec.json.decode(record.result)
        error = msgspec.json.decode(record.error) or {"type": "Cancelled", "message": "cancelled"}
        return _Failure(error["type"], error["message"])

    def _store(self, message_key: str, result: Any, ttl: int) -> None:
        """Do nothing: the end of the run has written the result before dramatiq comes here."""
