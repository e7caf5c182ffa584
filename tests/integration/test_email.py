"""email_sending against a real SMTP server on a free port of the loopback interface."""

import logging
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from ipaddress import ip_address

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actors.email import Email, email_sending
from callboard import Permanent, Resources, Run, use_run
from callboard.files import Files
from tests.patience import PATIENCE_S

TASK_ID = "01997a3c-0000-7000-8000-000000000002"
MESSAGE_ID = f"<{TASK_ID}@callboard>"


class Marks:
    """The Reporter of one task: keeps its marks through all attempts."""

    def __init__(self) -> None:
        self.marks: set[str] = set()

    def progress(self, fraction: float, stage: str | None) -> None:
        pass

    def log(self, record: logging.LogRecord) -> None:
        pass

    def mark(self, name: str) -> None:
        self.marks.add(name)

    def marked(self, name: str) -> bool:
        return name in self.marks


class Server:
    """An SMTP server's handler: answers DATA as told, then with 250, and keeps what it took."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.refused: dict[str, str] = {}
        self.goodbye = "221 Bye"
        self.taken: list = []
        self.recipients: list[str] = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer == "drop":
            server.transport.abort()
        if answer.startswith("2"):
            self.taken.append(message_from_bytes(envelope.content, policy=policy.SMTP))
            self.recipients.extend(envelope.rcpt_tos)
        return answer

    async def handle_QUIT(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        return self.goodbye


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(handler: Server, **options) -> Iterator[str]:
    """Serve until the end of the block; gives `host:port`."""
    options = {"ready_timeout": PATIENCE_S, **options}
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield f"127.0.0.1:{controller.port}"
    finally:
        controller.stop()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def attempt() -> Callable[..., AbstractContextManager[Run]]:
    reporter = Marks()

    def enter(smtp_url: str, number: int = 1) -> AbstractContextManager[Run]:
        resources = Resources(
            smtp_url=smtp_url, mail_from="Board <board@example.org>", files=Files("file:///nowhere")
        )
        return use_run(Run(TASK_ID, "email_sending", number, resources, reporter))

    return enter


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory):
    """A certificate of 127.0.0.1, in a file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Callboard test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls(certificate, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The server's TLS context, with a certificate the client trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


MAIL = Email(to="ann@example.org", subject="Grüße", body="It is ready ✓\n.\n", html="<p>It is ready</p>")


def test_a_mail_arrives_with_its_text_and_html(server, attempt):
    # When
    with serving(server) as address, attempt(f"smtp://{address}"):
        result = email_sending(MAIL)

    # Then
    assert result == {"message_id": MESSAGE_ID, "accepted": ["ann@example.org"], "refused": {}}
    (message,) = server.taken
    assert message["Message-ID"] == MESSAGE_ID
    assert message["From"] == "Board <board@example.org>"
    assert message["To"] == "ann@example.org"
    assert message["Subject"] == "Grüße"
    assert message["Date"].datetime
    assert message.get_body(("plain",)).get_content().splitlines() == ["It is ready ✓", "."]
    assert message.get_body(("html",)).get_content().strip() == "<p>It is ready</p>"


def test_a_repeat_after_the_mail_was_taken_sends_nothing_and_gives_the_same_result(server, attempt):
    # Given
    with serving(server) as address:
        with attempt(f"smtp://{address}"):
            first = email_sending(MAIL)

        # When
        with attempt(f"smtp://{address}", 2):
            second = email_sending(MAIL)

    # Then
    assert second == first
    assert len(server.taken) == 1


def test_a_451_is_tried_again_under_the_same_message_id(server, attempt):
    # Given
    server.answers = ["451 greylisted, try later", "250 OK"]
    with serving(server) as address:
        # When
        with attempt(f"smtp://{address}"), pytest.raises(smtplib.SMTPDataError) as refusal:
            email_sending(MAIL)
        with attempt(f"smtp://{address}", 2):
            result = email_sending(MAIL)

    # Then
    assert refusal.value.smtp_code == 451
    assert result["accepted"] == ["ann@example.org"]
    assert [message["Message-ID"] for message in server.taken] == [MESSAGE_ID]


def test_a_550_fails_at_once_with_the_servers_reason(server, attempt):
    server.answers = ["550 we know spam when we see it"]
    with (
        serving(server) as address,
        attempt(f"smtp://{address}") as run,
        pytest.raises(Permanent, match="550 we know spam when we see it"),
    ):
        email_sending(MAIL)
    assert not run.marked("sent")


def test_a_dropped_connection_is_tried_again(server, attempt):
    # Given
    server.answers = ["drop", "250 OK"]
    with serving(server) as address:
        # When
        with attempt(f"smtp://{address}") as run, pytest.raises(smtplib.SMTPServerDisconnected):
            email_sending(MAIL)
        unmarked = not run.marked("sent")
        with attempt(f"smtp://{address}", 2):
            email_sending(MAIL)

    # Then
    assert unmarked
    assert len(server.taken) == 1


def test_a_server_that_is_not_there_is_tried_again(attempt):
    with attempt(f"smtp://127.0.0.1:{free_port()}"), pytest.raises(ConnectionRefusedError):
        email_sending(MAIL)


def test_trouble_at_the_goodbye_does_not_undo_what_was_sent(server, attempt):
    server.goodbye = "421 too busy to say goodbye"
    with serving(server) as address, attempt(f"smtp://{address}") as run:
        result = email_sending(MAIL)
    assert result["accepted"] == ["ann@example.org"]
    assert run.marked("sent")


def test_the_result_lists_refused_recipients(server, attempt):
    # Given
    server.refused = {"bob@example.org": "550 no such user"}
    mail = Email(to=["ann@example.org", "bob@example.org"], subject="Hello", body="Text")
    with serving(server) as address:
        # When
        with attempt(f"smtp://{address}"):
            first = email_sending(mail)
        with attempt(f"smtp://{address}", 2):
            repeated = email_sending(mail)

    # Then
    assert first["accepted"] == ["ann@example.org"]
    assert first["refused"] == {"bob@example.org": "550 no such user"}
    assert repeated["accepted"] == first["accepted"]
    assert set(repeated["refused"]) == {"bob@example.org"}
    assert server.recipients == ["ann@example.org"]


def test_when_all_recipients_are_refused_for_good_the_task_fails_at_once(server, attempt):
    server.refused = {"ann@example.org": "550 no such user", "bob@example.org": "553 never heard of"}
    mail = Email(to=["ann@example.org", "bob@example.org"], subject="Hello", body="Text")
    with (
        serving(server) as address,
        attempt(f"smtp://{address}"),
        pytest.raises(Permanent, match=r"ann@example\.org: 550 no such user; bob@example\.org: 553 never"),
    ):
        email_sending(mail)


def test_when_one_recipient_is_refused_for_now_the_task_is_tried_again(server, attempt):
    server.refused = {"ann@example.org": "550 no such user", "bob@example.org": "450 mailbox busy"}
    mail = Email(to=["ann@example.org", "bob@example.org"], subject="Hello", body="Text")
    with (
        serving(server) as address,
        attempt(f"smtp://{address}"),
        pytest.raises(smtplib.SMTPRecipientsRefused),
    ):
        email_sending(mail)


def login(server, session, envelope, mechanism, credentials) -> AuthResult:
    known = LoginPassword(b"board", b"p@ss/word")
    return AuthResult(success=credentials == known, handled=False)


#: aiosmtpd warns of what these tests do on purpose; the "plain text" is loopback, or inside of smtps.
plain_login = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


@plain_login
@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_mail_goes_over_tls_after_a_login(server, attempt, tls, scheme):
    # Given
    options = {"ssl_context": tls} if scheme == "smtps" else {"tls_context": tls, "require_starttls": True}
    # aiosmtpd does not see that a port of TLS needs no STARTTLS before AUTH.
    options |= {"authenticator": login, "auth_required": True, "auth_require_tls": scheme != "smtps"}

    # When
    with serving(server, **options) as address, attempt(f"{scheme}://board:p%40ss%2Fword@{address}"):
        email_sending(MAIL)

    # Then
    assert len(server.taken) == 1


@plain_login
def test_a_wrong_password_fails_at_once_and_is_not_shown(server, attempt):
    with (
        serving(server, authenticator=login, auth_required=True, auth_require_tls=False) as address,
        attempt(f"smtp://board:wrong-secret@{address}"),
        pytest.raises(Permanent, match="login") as failure,
    ):
        email_sending(MAIL)
    assert "wrong-secret" not in str(failure.value)


@pytest.mark.parametrize("url", ["smtp+starttls://{}", "smtp://board:secret@{}"])
def test_a_server_without_tls_or_login_fails_at_once(server, attempt, url):
    with serving(server) as address, attempt(url.format(address)), pytest.raises(Permanent, match="SMTP_URL"):
        email_sending(MAIL)


def test_a_certificate_nobody_vouches_for_is_not_trusted(server, attempt, tls, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with (
        serving(server, tls_context=tls) as address,
        attempt(f"smtp+starttls://{address}"),
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        email_sending(MAIL)
    assert server.taken == []
