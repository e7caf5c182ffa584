"""Checks what tasks use beside RabbitMQ and Redis: files and mail."""

import smtplib
import ssl
import threading
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from callboard.doctor.finding import Finding, fail, ok
from callboard.places import place_of
from callboard.tasks.ids import new_task_id

#: Seconds either of them may take.
PATIENCE_S: Final = 10.0
_PORTS: Final = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


def files(url: str) -> Finding:
    """Write a file into FILES_URL and remove it."""
    name = "files"
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc}{parts.path}"

    def write() -> None:
        place = place_of(url)
        path = place.locate(f".doctor-{new_task_id()}")
        writing = place.write(path)
        try:
            writing.stream.write(b"ok")
            writing.publish()
        finally:
            writing.discard()

    try:
        _patiently(write)
    except Exception as error:  # noqa: BLE001 - whatever a file system or S3 raises is the finding
        detail = f"{where} cannot be written: {type(error).__name__}: {error}"
        return fail(name, detail, "create it, or give Callboard's user the right to write there")
    return ok(name, f"{where} can be written")


def mail(url: str) -> Finding:
    """Say hello to the mail server; nothing is sent and nobody logs in."""
    name = "mail"
    parts = urlsplit(url)
    if parts.scheme == "console":
        return ok(name, "is printed to the workers' logs (CALLBOARD_SMTP_URL=console://)")
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]

    def greet() -> None:
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if parts.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, port, timeout=PATIENCE_S / 2, context=context)
        else:
            server = smtplib.SMTP(host, port, timeout=PATIENCE_S / 2)
        with server as smtp:
            smtp.ehlo_or_helo_if_needed()
            if parts.scheme == "smtp+starttls":
                smtp.starttls(context=context)

    try:
        _patiently(greet)
    except Exception as error:  # noqa: BLE001 - as above
        detail = f"the server {host}:{port} cannot be used: {type(error).__name__}: {error}"
        return fail(name, detail, "correct CALLBOARD_SMTP_URL, or see the mail server's log")
    return ok(name, f"the server {host}:{port} answers")


def _patiently(work: Callable[[], None]) -> None:
    """Do it in a thread, so that a server that is silent for ever ends in TimeoutError."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed on
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {PATIENCE_S:g} s")
    if errors:
        raise errors[0]
