"""Before the service opens its door to other machines: is there a key at all?"""

import logging
import time
from typing import Final, Protocol, TypeVar

from callboard.access.host_names import LOOPBACK
from callboard.errors import SettingsError, Unavailable
from callboard.settings import Settings
from callboard.store import api_keys
from callboard.store.keys import Keys
from callboard.store.scripts import Call

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Seconds a starting service waits for Redis to answer whether there is a key.
PATIENCE_S: Final = 15.0
PAUSE_S: Final = 0.5

HOW: Final = (
    "make one with `callboard keys create NAME --role admin`, or give some as "
    "CALLBOARD_API_KEYS=name:role:key (docs/security.md)"
)


class SyncRunner(Protocol):
    """Runs Calls and waits for them; SyncStore does."""

    def run(self, call: Call[T]) -> T:
        """Return the decoded answer; raises Unavailable."""


def require_keys(settings: Settings, store: SyncRunner, keys: Keys, patience_s: float = PATIENCE_S) -> None:
    """Raise SettingsError when other machines could reach a service that has no key.

    With CALLBOARD_API_KEYS nothing is asked, so Redis need not be there. Without them only Redis can tell:
    it is given `patience_s` seconds to come up, as servers and service are often started together. On
    loopback a missing key only warns: keys can be made while the service runs.
    """
    if not settings.auth_required or settings.api_keys:
        return
    outside = settings.host not in LOOPBACK
    where = f"CALLBOARD_HOST={settings.host} can be reached from other machines"
    if settings.embedded:
        raise SettingsError(
            f"{where if outside else 'CALLBOARD_AUTH=required'}, and embedded mode keeps no keys: give some "
            "as CALLBOARD_API_KEYS=name:role:key, e.g. ops:admin:$(openssl rand -hex 32)"
        )
    try:
        number = _count(store, keys, patience_s if outside else 0.0)
    except Unavailable as error:
        if not outside:
            return
        raise SettingsError(
            f"{where}, and whether there is a key cannot be known: {error}; start Redis first, or give keys "
            "as CALLBOARD_API_KEYS=name:role:key, which need no Redis"
        ) from error
    if number == 0 and outside:
        raise SettingsError(f"{where}, and there is no key; {HOW}")
    if number == 0:
        logger.warning("nobody can use this service yet: there is no key; %s", HOW)


def _count(store: SyncRunner, keys: Keys, patience_s: float) -> int:
    until = time.monotonic() + patience_s
    while True:
        try:
            return store.run(api_keys.number(keys))
        except Unavailable:
            if time.monotonic() >= until:
                raise
        time.sleep(PAUSE_S)
