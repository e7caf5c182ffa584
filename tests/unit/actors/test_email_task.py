"""email_sending: what it refuses and what it prints; tests/integration/test_email.py sends real mail."""

from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.email import Email, _message, email_sending
from callboard import Permanent, Resources, Run
from callboard.errors import ValidationFailed
from callboard.files import Files
from callboard.tasks.params import convert

GOOD = {"to": "ann@example.org", "subject": "Hello", "body": "Text"}


@pytest.mark.parametrize(
    "to",
    [
        "ann@example.org",
        "first.last+tag@sub.example.co.uk",
        "root@localhost",
        "o'neil_{x}@x-y.example",
        "a@xn--bcher-kva.example",
        ["ann@example.org", "bob@example.org"],
        [f"a{number}@example.org" for number in range(50)],
    ],
)
def test_addresses_are_accepted(to):
    assert convert({**GOOD, "to": to}, Email)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        *(
            ({"to": to}, "/parameters/to")
            for to in (
                "ann",
                "ann@",
                "@example.org",
                "ann@@example.org",
                "ann@example..org",
                ".ann@example.org",
                "ann@-example.org",
                "ann@example.org\n",
                "ann@example.org\r\nBcc: eve@example.org",
                "ann@example.org\0",
                "ann@example.org,eve@example.org",
                "Ann <ann@example.org>",
                "ann @example.org",
                "anné@example.org",
                "a" * 65 + "@example.org",
                "ann@" + "a." * 150 + "org",
                [],
                [f"a{number}@example.org" for number in range(51)],
                ["ann@example.org", "ann\n@example.org"],
                5,
                None,
            )
        ),
        ({"to": ["ann@example.org", 5]}, "/parameters/to/1"),
        *(
            ({"subject": subject}, "/parameters/subject")
            for subject in (
                "a\rb",
                "a\nb",
                "a\r\nBcc: eve@example.org",
                "a\0",
                "a\x0bb",
                "a\x85b",
                "a\u2028b",
                "\ud800",
            )
        ),
        ({"subject": "a" * 501}, "/parameters/subject"),
        ({"body": "\0"}, "/parameters/body"),
        ({"body": "\udfff"}, "/parameters/body"),
        ({"html": "\0"}, "/parameters/html"),
        ({"body": "a" * 500_001}, "/parameters/body"),
        ({"cc": "eve@example.org"}, "/parameters/cc"),
    ],
)
def test_refused_fields_are_pointed_at(change, pointer):
    with pytest.raises(ValidationFailed) as refusal:
        convert({**GOOD, **change}, Email, "/parameters")
    assert refusal.value.problems[0].pointer == pointer


@pytest.fixture(scope="module")
def any_run():
    """One run for all examples: hypothesis does not begin a test's own fixtures anew for each."""
    resources = Resources(
        smtp_url="console://", mail_from="board@example.org", files=Files("file:///nowhere")
    )
    return Run("01997a3c-0000-7000-8000-000000000001", "email_sending", 1, resources, Silent())


class Silent:
    """A Reporter that nobody listens to."""

    def progress(self, fraction, stage):
        pass

    def log(self, record):
        pass

    def mark(self, name):
        pass

    def marked(self, name):
        return False


LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300)
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)


@given(to=st.emails(), subject=LINE, body=LINES, html=st.none() | LINES)
def test_any_mail_has_exactly_our_headers_and_keeps_its_words(any_run, to, subject, body, html):
    # Given
    params = Email(to=to, subject=subject, body=body, html=html)

    # When
    message = message_from_bytes(_message(any_run, params).as_bytes(), policy=policy.SMTP)

    # Then
    expected = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}
    assert set(message.keys()) - {"Content-Transfer-Encoding"} == expected
    assert message["To"].addresses[0].addr_spec == to
    assert message["Subject"].split() == subject.split()
    text = message.get_body(("plain",)).get_content()
    assert text.split() == body.split()


def test_a_console_url_writes_the_mail_to_the_task_log(attempt, reporter):
    # When
    with attempt(smtp_url="console://"):
        result = email_sending(
            Email(to=["ann@example.org", "ann@example.org"], subject="Grüße", body="Text ✓")
        )

    # Then
    assert result == {
        "message_id": "<01997a3c-0000-7000-8000-000000000001@callboard>",
        "accepted": ["ann@example.org"],
        "refused": {},
    }
    assert "Subject: Grüße" in reporter.lines[0]
    assert "Text ✓" in reporter.lines[0]
    assert reporter.marked("sent")


@pytest.mark.parametrize("url", ["", "http://localhost", "smtp://", "smtp:"])
def test_a_url_that_is_no_mail_server_fails_at_once(attempt, url):
    with attempt(smtp_url=url), pytest.raises(Permanent, match="SMTP_URL"):
        email_sending(convert(GOOD, Email))
