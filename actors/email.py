"""Mail: a task whose effect cannot be taken back, so it tells transient, permanent and done apart."""

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import unquote, urlsplit

from msgspec import Meta

from callboard import Invalid, Params, Permanent, Run, current_run, log, progress, task

if TYPE_CHECKING:
    import smtplib
    from email.message import EmailMessage

#: Seconds to wait for any answer of the mail server.
_TIMEOUT_S: Final = 30
_PORTS: Final = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
#: `local@domain` as in RFC 5321, section 4.1.2, without quoted local parts and address literals.
_ADDRESS: Final = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*"
    r"@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*",
    re.ASCII | re.IGNORECASE,
)
#: What ends a line for some program on the way: in a header it could begin another one.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Address = Annotated[str, Meta(min_length=3, max_length=254)]  # RFC 5321, section 4.5.3.1.3
Addresses = Annotated[list[Address], Meta(min_length=1, max_length=50)]


class Email(Params):
    """What `email_sending` takes."""

    to: Annotated[
        Address | Addresses,
        Meta(description="One address or up to 50; all see each other.", examples=["ann@example.org"]),
    ]
    subject: Annotated[str, Meta(max_length=500, description="One line.", examples=["Your report"])]
    body: Annotated[str, Meta(max_length=500_000, description="Plain text.", examples=["It is ready."])]
    html: Annotated[
        Annotated[str, Meta(max_length=500_000)] | None, Meta(description="The same as HTML.")
    ] = None

    def __post_init__(self) -> None:
        """Refuse what must not get into a header or a message."""
        for address in self.recipients:
            local = address.rpartition("@")[0]
            if not _ADDRESS.fullmatch(address) or len(local) > 64:
                raise Invalid("to", f"{address[:100]!r} is no address; write it like ann@example.org")
        if _CONTROL.search(self.subject):
            raise Invalid("subject", "holds a line break or a control character; make it one line")
        for name in ("subject", "body", "html"):
            text = getattr(self, name) or ""
            if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
                raise Invalid(name, "holds a NUL or half a surrogate pair; send plain Unicode text")

    @property
    def recipients(self) -> list[str]:
        """The addresses, each once, in order."""
        return list(dict.fromkeys([self.to] if isinstance(self.to, str) else self.to))


@task("email_sending", queue="email", time_limit=300)
def email_sending(params: Email) -> dict[str, Any]:
    """Send a mail by SMTP; what the server refuses for now is tried again, what it refuses for good is not.

    A repeat of the task after the server took the mail does not send it again. Should a worker die between
    the two, the repeat has the same Message-ID, `<task id@callboard>`, by which servers and people know it.
    """
    run = current_run()
    if run.marked("sent"):
        log.info("sent in an earlier attempt")
        earlier = {
            to: "refused in an earlier attempt" for to in params.recipients if run.marked(f"refused {to}")
        }
        return _result(run, params, earlier)
    message = _message(run, params)
    progress(0.1, stage="SENDING")
    url = run.resources.smtp_url
    if urlsplit(url).scheme == "console":
        log.info("mail from %s to %s\nSubject: %s\n\n%s", message["From"], message["To"], params.subject,
                 params.body)  # fmt: skip
        run.mark("sent")
        return _result(run, params, {})
    return _result(run, params, _send(run, url, message, params.recipients))


def _message(run: Run, params: Email) -> "EmailMessage":
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import formatdate

    message = EmailMessage(policy=SMTP)
    message["From"] = run.resources.mail_from
    message["To"] = ", ".join(params.recipients)
    message["Subject"] = params.subject
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{run.task_id}@callboard>"
    message.set_content(params.body)
    if params.html is not None:
        message.add_alternative(params.html, subtype="html")
    return message


def _send(run: Run, url: str, message: "EmailMessage", recipients: list[str]) -> dict[str, str]:
    """Send, mark what happened, and return why recipients were refused."""
    import smtplib

    try:
        smtp = _connect(url)
        try:
            answers = smtp.send_message(message, to_addrs=recipients)
            # The mail is out. Remember that before anything else can fail, such as saying goodbye.
            for address in answers:
                run.mark(f"refused {address}")
            run.mark("sent")
        finally:
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
            smtp.close()
    except smtplib.SMTPRecipientsRefused as error:
        reasons = "; ".join(f"{to}: {_text(*answer)}" for to, answer in error.recipients.items())
        if all(code >= 500 for code, _ in error.recipients.values()):
            raise Permanent(f"the mail server refuses every recipient: {reasons}") from error
        raise
    except smtplib.SMTPResponseException as error:  # RFC 5321, section 4.2.1: 4yz try later, 5yz do not
        if error.smtp_code >= 500:
            what = "the login" if isinstance(error, smtplib.SMTPAuthenticationError) else "the mail"
            reason = _text(error.smtp_code, error.smtp_error)
            raise Permanent(f"the mail server refuses {what} for good: {reason}") from error
        raise
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPException as error:  # no STARTTLS, no AUTH, no method of AUTH we know
        raise Permanent(f"the mail server cannot do what SMTP_URL asks for: {error}") from error
    return {address: _text(*answer) for address, answer in answers.items()}


def _connect(url: str) -> "smtplib.SMTP":
    import smtplib
    import ssl

    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Permanent("SMTP_URL is unusable; an example is smtp+starttls://user:password@example.org:587")
    host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    smtp: smtplib.SMTP
    if parts.scheme == "smtps":
        smtp = smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=ssl.create_default_context())
    else:
        smtp = smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
    try:
        if parts.scheme == "smtp+starttls":
            smtp.starttls(context=ssl.create_default_context())
        if parts.username:
            smtp.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        smtp.close()
        raise
    return smtp


def _text(code: int, reason: bytes | str) -> str:
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
    return f"{code} {' '.join(text.split())}"


def _result(run: Run, params: Email, refused: dict[str, str]) -> dict[str, Any]:
    accepted = [address for address in params.recipients if address not in refused]
    return {"message_id": f"<{run.task_id}@callboard>", "accepted": accepted, "refused": refused}
