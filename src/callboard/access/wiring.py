"""The part of the composition root (bootstrap.py) about access: settings → keys, sessions, audit trail."""

from argparse import Namespace

from callboard.access.access import Access
from callboard.access.audit import Audit
from callboard.access.command import carry_out
from callboard.access.entrance import require_keys
from callboard.access.gate import Gate
from callboard.access.holds import Holds
from callboard.access.host_names import HostNames
from callboard.access.keyring import Keyring
from callboard.access.limiter import Limiter
from callboard.access.lookup import Given
from callboard.settings import Settings
from callboard.store.clients import sync_client
from callboard.store.keys import Keys, keys_for
from callboard.store.sync import SyncStore
from callboard.submit import AsyncRunner


def access(settings: Settings, store: AsyncRunner, keys: Keys) -> Access:
    """Build what knows keys, sessions, limits and the audit trail."""
    given = Given(settings.api_keys)
    return Access(
        required=settings.auth_required,
        hosts=HostNames(settings.host_names),
        store=store,
        keys=keys,
        given=given,
        keyring=Keyring(store, keys, given, settings.session_idle),
        holds=Holds(),
        limiter=Limiter(store, keys),
        audit=Audit(store, keys, settings.audit_limit, settings.audit_ttl),
        session_idle_s=settings.session_idle,
        session_most_s=settings.session_most,
        cookie=session_cookie(settings),
    )


def gate(settings: Settings) -> Gate:
    """Build what tells a blocking program whose key or session it was shown; connects to nothing yet."""
    store = SyncStore(sync_client(settings.redis_url))
    given = Given(settings.api_keys)
    keys = keys_for(settings.namespace)
    return Gate(store, keys, given, settings.session_idle, session_cookie(settings))


def check_entrance(settings: Settings) -> None:
    """Raise SettingsError when other machines could reach a service that has no key; may wait for Redis."""
    store = SyncStore(sync_client(settings.redis_url))
    try:
        require_keys(settings, store, keys_for(settings.namespace))
    finally:
        store.close()


def keys_command(settings: Settings, options: Namespace) -> str:
    """Carry out `callboard keys …` and return what to print; raises CallboardError."""
    store = SyncStore(sync_client(settings.redis_url))
    try:
        return carry_out(options, store, keys_for(settings.namespace), settings.api_keys)
    finally:
        store.close()


def session_cookie(settings: Settings) -> str:
    """Return the name of the sessions' cookie: installations on one host have one each."""
    return f"callboard_session_{settings.namespace}" if settings.namespace else "callboard_session"
