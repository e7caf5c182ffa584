"""`callboard keys create | list | revoke`: keys without the API, for the first one and for scripts."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from callboard.access import entries
from callboard.access.audit import CHANGES, Entry, encode
from callboard.access.entrance import SyncRunner
from callboard.access.entries import KeyEntry
from callboard.access.limits import parse_quota, parse_rate
from callboard.access.roles import Role
from callboard.access.secret import GivenKey, check_name, role_named
from callboard.errors import CallboardError
from callboard.store import api_keys, audit
from callboard.store.keys import Keys
from callboard.tasks.times import from_rfc3339, now_ms

#: How the audit trail names who is at the machine itself.
COMMAND = "command"


def add_parser(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add `keys` with its own commands to `callboard`."""
    text = "API keys: create, list, revoke"
    keys = commands.add_parser("keys", help=text, description=text)
    actions = keys.add_subparsers(required=True, metavar="action", dest="action")
    create = actions.add_parser("create", help="make a key; it is printed once and kept nowhere")
    create.add_argument("name", help="whose it is, e.g. billing")
    create.add_argument("--role", required=True, help=", ".join(Role))
    create.add_argument(
        "--rate", metavar="N/s", help="requests: 100/s, 600/min or 5000/h (default: any number)"
    )
    create.add_argument("--quota", metavar="N", help="tasks a day (default: any number)")
    create.add_argument("--expires", metavar="TIME", help="when it ends, e.g. 2030-01-31T00:00:00Z")
    listing = actions.add_parser("list", help="show all keys, never their texts")
    revoke = actions.add_parser("revoke", help="end a key: within a second it is of no use anywhere")
    revoke.add_argument("id", help="its id, or its name if no other key has it")
    for each in (create, listing):
        each.add_argument("--json", action="store_true", help="for machines")
    for each in (create, listing, revoke):
        each.add_argument(
            "--env", metavar="FILE", help="settings as KEY=value lines, e.g. .run/env of a stack"
        )
        each.set_defaults(command=run)


def carry_out(options: argparse.Namespace, store: SyncRunner, keys: Keys, given: tuple[GivenKey, ...]) -> str:
    """Do what was asked and return what to print; raises CallboardError."""
    if options.action == "create":
        return _create(options, store, keys)
    stored = [entries.of_fields(*each) for each in store.run(api_keys.listed(keys))]
    if options.action == "list":
        return _list([*map(entries.of_given, given), *stored], as_json=options.json)
    return _revoke(options.id, stored, store, keys)


def _create(options: argparse.Namespace, store: SyncRunner, keys: Keys) -> str:
    made = entries.make(
        _parsed("the name", check_name, options.name),
        _parsed("--role", role_named, options.role),
        now_ms(),
        rate=_parsed("--rate", parse_rate, options.rate) if options.rate else None,
        quota=_parsed("--quota", parse_quota, options.quota) if options.quota else None,
        expires_at=_parsed("--expires", _later, options.expires) if options.expires else None,
    )
    store.run(api_keys.add(keys, made.key_id, made.fields()))
    _note(store, keys, "key.create", f"{made.key_id} {made.name} ({made.role})")
    if options.json:
        return json.dumps({**entries.view(entries.of_new(made)), "key": made.secret})
    return (
        f"{made.secret}\n\nThis is the key {made.name!r} (id {made.key_id}, role {made.role}). It is shown "
        "this once and kept nowhere.\nSend it as  Authorization: Bearer …  or sign in with it at /sign-in."
    )


def _parsed(name: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise CallboardError(f"{name} {error}") from None


def _later(text: str) -> int:
    at_ms = from_rfc3339(text)
    if at_ms <= now_ms():
        raise ValueError(f"{text} has passed")
    return at_ms


def _list(found: list[KeyEntry], *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"keys": [entries.view(each) for each in found]})
    if not found:
        return "There are no keys."
    rows = [("ID", "NAME", "ROLE", "CREATED", "LAST USED", "EXPIRES", "RATE", "TASKS A DAY")]
    for each in found:
        times = (each.created_at or "CALLBOARD_API_KEYS", each.last_used or "-", each.expires_at or "-")
        rows.append((each.id, each.name, each.role, *times, each.rate or "-", str(each.quota or "-")))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _revoke(wanted: str, stored: list[KeyEntry], store: SyncRunner, keys: Keys) -> str:
    found = [each for each in stored if each.id == wanted] or [each for each in stored if each.name == wanted]
    if not found:
        raise CallboardError(f"no stored key has the id or name {wanted[:64]!r}; see `callboard keys list`")
    if len(found) > 1:
        ids = ", ".join(each.id for each in found)
        raise CallboardError(f"{len(found)} keys have the name {wanted!r}; name one by its id: {ids}")
    (key,) = found
    store.run(api_keys.revoke(keys, key.id))
    _note(store, keys, "key.revoke", f"{key.id} {key.name} ({key.role})")
    return f"The key {key.name!r} (id {key.id}) is revoked."


def _note(store: SyncRunner, keys: Keys, action: str, target: str) -> None:
    entry = Entry(now_ms(), COMMAND, "", action, target, "", "", 0)
    store.run(audit.add(keys, CHANGES, [encode(entry)]))
