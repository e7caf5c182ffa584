"""Settings: read once, checked at once; an error names the variable, the problem and an example."""

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from callboard.errors import SettingsError
from callboard.settings import PREFIX, Settings, from_env, worker_id
from callboard.store import sentinel

SECRET = "hunter2-do-not-show"
SERVERS = {
    "CALLBOARD_BROKER_URL": f"amqp://user:{SECRET}@localhost:5672/callboard",
    "CALLBOARD_REDIS_URL": f"redis://:{SECRET}@localhost:6379/0",
}


def refusal(env: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        from_env(env)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_an_empty_environment_gives_the_embedded_mode_on_loopback() -> None:
    settings = from_env({})
    assert settings.embedded
    assert (settings.host, settings.port) == ("127.0.0.1", 5000)
    assert settings.actors == ("actors",)
    assert settings.result_ttl == 7 * 86_400


def test_what_is_set_is_used() -> None:
    settings = from_env(
        SERVERS
        | {
            "CALLBOARD_PORT": "8080",
            "CALLBOARD_HOST": "localhost",
            "CALLBOARD_NAMESPACE": "staging-1",
            "CALLBOARD_ACTORS": "actors, mycompany.tasks",
            "CALLBOARD_RESULT_TTL": "3600",
            "CALLBOARD_LOG_LEVEL": "debug",
            "CALLBOARD_LOG_FORMAT": "JSON",
            "CALLBOARD_DRAIN_TIMEOUT": "2.5",
            "CALLBOARD_WEB_PROCESSES": "4",
            "CALLBOARD_QUEUE_TYPE": "quorum",
        }
    )
    assert not settings.embedded
    assert settings.port == 8080
    assert settings.namespace == "staging-1"
    assert settings.actors == ("actors", "mycompany.tasks")
    assert settings.result_ttl == 3600
    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")
    assert settings.drain_timeout == 2.5
    assert settings.web_processes == 4
    assert settings.queue_type == "quorum"


def test_several_brokers_of_a_cluster_may_be_named() -> None:
    urls = "amqp://a:5672/ ; amqps://b:5671/"
    settings = from_env(SERVERS | {"CALLBOARD_BROKER_URL": urls})
    assert settings.broker_url == "amqp://a:5672/;amqps://b:5671/"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert from_env({"CALLBOARD_PORT": ""}).port == 5000


def test_variables_of_others_are_ignored() -> None:
    assert from_env({"PORT": "1", "CALLBOARD_UNHEARD_OF": "x"}) == from_env({})


URL = f"http://user:{SECRET}@localhost/"


@pytest.mark.parametrize(
    ("name", "value", "problem", "example"),
    [
        ("BROKER_URL", URL, "is no amqp:// or amqps:// URL", "e.g. amqp://user:password@localhost:5672/"),
        ("BROKER_URL", f"amqp://u:{SECRET}@h:port/", "is no amqp://", "e.g. amqp://"),
        ("BROKER_URL", f"amqp://u:{SECRET}@h:99999/", "is no amqp://", "e.g. amqp://"),
        ("BROKER_URL", f"amqp://u:{SECRET}@[h/", "is no amqp://", "e.g. amqp://"),
        ("BROKER_URL", f"amqp://u:{SECRET}@h/;;", "is no amqp://", "e.g. amqp://"),
        ("BROKER_URL", f"memory://;amqp://u:{SECRET}@h", "is no amqp://", "e.g. amqp://"),
        ("REDIS_URL", URL, "is no redis:// or rediss:// or unix:// URL", "e.g. redis://localhost:6379/0"),
        ("REDIS_URL", "localhost:6379", "is no redis://", "e.g. redis://"),
        ("FILES_URL", URL, "is no file:// or s3:// URL", "e.g. file:///"),
        ("SMTP_URL", URL, "is no smtp:// or smtps://", "e.g. smtp://"),
        ("PORT", "http", "'http' is no whole number from 1 to 65535", "e.g. 5000"),
        ("PORT", "0", "'0' is no whole number from 1 to 65535", "e.g. 5000"),
        ("PORT", "65536", "'65536' is no whole number from 1 to 65535", "e.g. 5000"),
        ("RESULT_TTL", "7d", "'7d' is no whole number from 60", "e.g. 604800"),
        ("RESULT_LIMIT", "1", "'1' is no whole number from 1024", "e.g. 262144"),
        ("UPLOAD_LIMIT", "-1", "'-1' is no whole number from 1", "e.g. 1073741824"),
        ("THREADS", "0", "'0' is no whole number from 1 to 256", "e.g. 8"),
        ("WEB_PROCESSES", "many", "'many' is no whole number from 1 to 64", "e.g. 2"),
        ("DRAIN_TIMEOUT", "0", "'0' is no number of seconds above 0", "e.g. 30"),
        ("DRAIN_TIMEOUT", "nan", "'nan' is no number of seconds above 0", "e.g. 30"),
        ("CONFIRM_TIMEOUT", "inf", "'inf' is no number of seconds above 0", "e.g. 5"),
        ("NAMESPACE", "a:b", "'a:b' may hold up to 40 letters, digits, - and _", "e.g. staging"),
        ("NAMESPACE", "ä", "'ä' may hold up to 40 letters", "e.g. staging"),
        ("NAMESPACE", "x" * 41, "may hold up to 40 letters", "e.g. staging"),
        ("ACTORS", "my-tasks", "'my-tasks' is no list of Python modules", "e.g. actors,mycompany.tasks"),
        ("ACTORS", ",", "',' is no list of Python modules", "e.g. actors,mycompany.tasks"),
        ("ACTORS", "a..b", "'a..b' is no list of Python modules", "e.g. actors"),
        ("LOG_LEVEL", "loud", "'loud' is none of", "DEBUG, INFO, WARNING, ERROR"),
        ("LOG_FORMAT", "xml", "'xml' is none of", "console, json"),
        ("QUEUE_TYPE", "lazy", "'lazy' is none of", "classic, quorum"),
        ("AUTH", "maybe", "'maybe' is none of", "auto, required, off"),
        ("API_KEYS", f"ops:admin:{SECRET[:9]}", "the key of entry 1 takes 20 to 256", "openssl rand"),
        ("API_KEYS", f"ops:root:{SECRET}", "the role of entry 1 is none of", "submit, read, operate"),
        ("API_KEYS", f":admin:{SECRET}", "the name of entry 1 takes 1 to 64", "e.g. billing"),
        ("API_KEYS", SECRET, "entry 1 is no name:role:key", "e.g. ops:admin:cb_"),
        ("API_KEYS", f"a:read:{SECRET}-,b:admin:{SECRET}-", "the key of entry 2 stands twice", "own"),
        ("PROXIES", "my-proxy", "'my-proxy' is no list of addresses or networks", "e.g. 10.0.0.0/8"),
        ("SESSION_IDLE", "1", "'1' is no whole number from 60", "e.g. 43200"),
    ],
)
def test_a_bad_value_is_refused_with_name_problem_and_example(
    name: str, value: str, problem: str, example: str
) -> None:
    message = refusal(SERVERS | {PREFIX + name: value})
    assert message.startswith(PREFIX + name)
    assert problem in message
    assert example in message


@pytest.mark.parametrize("missing", sorted(SERVERS))
def test_half_embedded_is_refused_with_both_names(missing: str) -> None:
    message = refusal({name: url for name, url in SERVERS.items() if name != missing})
    assert "CALLBOARD_BROKER_URL and CALLBOARD_REDIS_URL" in message
    assert "e.g. amqp://" in message


def test_embedded_mode_has_one_web_process() -> None:
    assert refusal({"CALLBOARD_WEB_PROCESSES": "2"}).startswith("CALLBOARD_WEB_PROCESSES: embedded mode")


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "broker_url"
    secret.write_text(SERVERS["CALLBOARD_BROKER_URL"] + "\n", encoding="utf-8")
    env = {"CALLBOARD_BROKER_URL_FILE": str(secret), "CALLBOARD_REDIS_URL": SERVERS["CALLBOARD_REDIS_URL"]}
    assert from_env(env).broker_url == SERVERS["CALLBOARD_BROKER_URL"]


def test_any_setting_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("8080")
    assert from_env({"CALLBOARD_PORT_FILE": str(tmp_path / "port")}).port == 8080


def test_a_bad_value_in_a_file_is_refused_without_repeating_it(tmp_path: Path) -> None:
    secret = tmp_path / "redis_url"
    secret.write_text(URL, encoding="utf-8")
    assert "CALLBOARD_REDIS_URL: is no redis://" in refusal({"CALLBOARD_REDIS_URL_FILE": str(secret)})


def test_a_value_and_a_file_at_once_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "redis_url"
    secret.write_text(SERVERS["CALLBOARD_REDIS_URL"], encoding="utf-8")
    message = refusal(SERVERS | {"CALLBOARD_REDIS_URL_FILE": str(secret)})
    assert message == "CALLBOARD_REDIS_URL and CALLBOARD_REDIS_URL_FILE are both set; keep one"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    message = refusal({"CALLBOARD_REDIS_URL_FILE": str(tmp_path / "absent")})
    assert (
        message == f"CALLBOARD_REDIS_URL_FILE: cannot read {tmp_path / 'absent'}: No such file or directory"
    )


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "redis_url"
    secret.write_bytes(b"redis://\xff")
    message = refusal({"CALLBOARD_REDIS_URL_FILE": str(secret)})
    assert message == f"CALLBOARD_REDIS_URL_FILE: cannot read {secret}: it is no UTF-8 text"


def test_no_secret_shows_when_the_settings_are_printed() -> None:
    settings = from_env(
        SERVERS
        | {
            "CALLBOARD_SMTP_URL": f"smtp://user:{SECRET}@mail.example.org:587",
            "CALLBOARD_FILES_URL": f"s3://bucket/prefix?secret={SECRET}",
        }
    )
    assert SECRET in settings.broker_url
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)


def test_every_setting_that_may_hold_a_password_is_kept_out_of_the_repr() -> None:
    shown = [field.name for field in fields(Settings) if field.repr]
    assert not [name for name in shown if name.endswith("url") or "secret" in name or "password" in name]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        from_env({}).port = 1  # type: ignore[misc]


def test_every_setting_can_be_set() -> None:
    asked: list[str] = []

    class Listening(dict[str, str]):
        def get(self, key: str, default: object = None) -> None:  # type: ignore[override]
            asked.append(key)

    from_env(Listening())
    names = {PREFIX + field.name.upper() for field in fields(Settings)}
    assert names == {name for name in asked if not name.endswith("_FILE")}
    assert {f"{name}_FILE" for name in names} <= set(asked)


def test_without_an_argument_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_THREADS", "3")
    assert from_env().threads == 3


def test_a_worker_is_named_after_its_host_and_process() -> None:
    host, _, pid = worker_id().rpartition(":")
    assert host
    assert pid.isdigit()


@pytest.mark.parametrize(
    ("host", "auth", "required"),
    [
        ("127.0.0.1", "auto", False),
        ("localhost", "off", False),
        ("::1", "required", True),
        ("0.0.0.0", "auto", True),  # noqa: S104
        ("192.0.2.1", "required", True),
    ],
)
def test_authentication_is_required_off_loopback_and_where_it_is_asked_for(
    host: str, auth: str, required: bool
) -> None:
    assert from_env({"CALLBOARD_HOST": host, "CALLBOARD_AUTH": auth}).auth_required is required


def test_authentication_cannot_be_off_where_other_machines_reach_the_service() -> None:
    message = refusal({"CALLBOARD_HOST": "0.0.0.0", "CALLBOARD_AUTH": "off"})  # noqa: S104
    assert message.startswith("CALLBOARD_AUTH=off: CALLBOARD_HOST=0.0.0.0 can be reached")


def test_keys_are_kept_as_digests_only() -> None:
    (given,) = from_env({"CALLBOARD_API_KEYS": f"ops:Admin:{SECRET}:a"}).api_keys
    assert (given.name, given.role) == ("ops", "admin")
    assert SECRET not in repr(given)


def test_redis_may_be_watched_by_sentinels() -> None:
    url = "redis+sentinel://:secret-of-redis@h1:26379,h2/3?name=callboard&sentinel_password=theirs"
    assert from_env({**SERVERS, "CALLBOARD_REDIS_URL": url}).redis_url == url
    found = sentinel.parse(url)
    assert found.sentinels == (("h1", 26379), ("h2", 26379))
    assert (found.name, found.database, found.password) == ("callboard", 3, "secret-of-redis")
    assert (found.sentinel_password, found.tls) == ("theirs", False)
    assert "secret-of-redis" not in repr(found)
    assert "theirs" not in repr(found)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+sentinel://h1:26379/0", "lacks ?name="),
        ("redis+sentinel://h1:26379,h2:99999/0?name=m", "no host:port"),
        ("redis+sentinel:///0?name=m", "no host:port"),
        ("redis+sentinel://:hidden-one@h1/x?name=m", "no number"),
        ("redis+sentinel://h1/0?name=m&master=m", "not master"),
    ],
)
def test_an_address_of_sentinels_that_cannot_be_used_is_told(url: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_env({**SERVERS, "CALLBOARD_REDIS_URL": url})
    assert str(caught.value).startswith("CALLBOARD_REDIS_URL: ")
    assert says in str(caught.value)
    assert "hidden-one" not in str(caught.value)
