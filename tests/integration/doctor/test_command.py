"""`callboard doctor` as people and machines run it."""

import json
from dataclasses import replace
from pathlib import Path

from callboard.doctor import surroundings
from callboard.doctor.examine import examine
from callboard.doctor.finding import Verdict, fail, secrets_of, without_secrets
from callboard.local.ports import free_ports
from callboard.local.rabbitmq import RabbitNode
from tests.integration.doctor.patient import UNSEEN, Patient, command, one


def test_a_healthy_installation_gets_a_line_per_check_and_exit_code_0(healthy: Patient) -> None:
    code, text = command(healthy)
    assert code == 0, text
    lines = text.splitlines()
    assert [line for line in lines[:-1] if not line.startswith("ok ")] == [
        line for line in lines if UNSEEN in line
    ]
    for check in (
        "Redis", "Redis persistence", "Redis eviction", "Redis memory", "clock", "RabbitMQ",
        "RabbitMQ alarms", "RabbitMQ queues", "delay ladder", "workers", "queues", "scheduler", "outbox",
        "delays", "running tasks", "queued tasks", "indexes", "files", "mail",
    ):  # fmt: skip
        assert f"ok    {check}: " in text
    assert lines[-1].endswith("0 failed, 1 with a warning")


def test_machines_get_json(healthy: Patient) -> None:
    code, text = command(healthy, "--json")
    found = json.loads(text)
    assert (code, found["status"]) == (0, "warn")
    assert {tuple(each) for each in found["checks"]} == {("check", "status", "detail", "advice")}
    assert {each["status"] for each in found["checks"]} == {"ok", "warn"}


def test_the_settings_may_come_from_a_file(healthy: Patient, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(f"# of a stack\nCALLBOARD_REDIS_URL={healthy.settings.redis_url}\n", encoding="utf-8")
    code, text = command(healthy, "--env", str(file), CALLBOARD_REDIS_URL="redis://127.0.0.1:9/0")
    assert code == 0, text
    code, text = command(healthy, "--env", str(tmp_path / "none"))
    assert (code, "--env" in text) == (2, True)


def test_rabbitmqs_own_settings_are_seen_where_they_can_be_read(
    healthy: Patient, own_rabbitmq: RabbitNode, tmp_path: Path
) -> None:
    code, text = command(healthy, "--rabbitmq-conf", str(own_rabbitmq.folder / "rabbitmq.conf"))
    assert (code, text.splitlines()[-1].endswith("0 failed, 0 with a warning")) == (0, True)
    conf = tmp_path / "rabbitmq.conf"
    for setting in ("consumer_timeout = 1000", "# consumer_timeout = 90000000"):
        conf.write_text(f"{setting}\n", encoding="utf-8")
        found = one(examine(healthy.settings, conf), UNSEEN)
        assert (found.verdict, "3700000" in found.advice) == (Verdict.FAIL, True)
    assert one(examine(healthy.settings, tmp_path / "none"), UNSEEN).verdict is Verdict.WARN


def test_what_runs_in_one_process_has_nothing_to_be_examined(healthy: Patient) -> None:
    code, text = command(healthy, CALLBOARD_BROKER_URL="memory://", CALLBOARD_REDIS_URL="memory://")
    assert (code, "callboard doctor" in text) == (2, True)


def test_no_secret_is_ever_shown(healthy: Patient) -> None:
    settings = replace(
        healthy.settings,
        smtp_url="smtp://ann:hush-hush@127.0.0.1:9",
        files_url="s3://bucket?key=a-key&secret=p%2Bsst",
    )
    known = [url.split("@")[0].rpartition(":")[2] for url in (settings.broker_url, settings.redis_url)]
    secrets = ["hush-hush", "a-key", "p%2Bsst", "p+sst", *known]
    assert set(secrets) <= set(secrets_of(settings))
    said = [fail("mail", f"the server said: no {secret} here", f"not {secret}") for secret in secrets]
    for found in without_secrets(said, settings):
        assert (found.detail, found.advice) == ("the server said: no *** here", "not ***")
    _, text = command(healthy, CALLBOARD_SMTP_URL=settings.smtp_url)
    assert "mail: the server 127.0.0.1:9 cannot be used" in text
    assert not [secret for secret in secrets if secret in text]


def test_files_that_cannot_be_written_are_named(healthy: Patient, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    found = one(healthy.examine(files_url=(tmp_path / "file").as_uri()), "files")
    assert found.verdict is Verdict.FAIL
    assert surroundings.files((tmp_path / "folder").as_uri()).verdict is Verdict.OK
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_mail_server_that_does_not_answer_is_named(healthy: Patient) -> None:
    (port,) = free_ports(1)
    for scheme in ("smtp", "smtps", "smtp+starttls"):
        found = surroundings.mail(f"{scheme}://ann:hush-hush@127.0.0.1:{port}")
        assert (found.verdict, "ConnectionRefusedError" in found.detail) == (Verdict.FAIL, True)
