"""Reads the configuration of a stack, `Pulumi.<stack>.yaml`: every key with its check and its default."""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from callboard_aws.plan import DATA_GIB, INSTANCE_TYPES, Plan
from callboard_aws.roles import ROLES_OF_MODE, Role

#: Services of docker-compose.yml: one for all queues, the others for one queue each.
WORKER_KINDS: Final = ("worker", "worker-email", "worker-data", "worker-files")
#: What the stack decides itself, so that the configuration may not.
OWN_SETTINGS: Final = frozenset(
    f"CALLBOARD_{name}"
    for name in (
        *("BROKER_URL", "REDIS_URL", "FILES_URL", "API_KEYS", "PROXIES", "BIND", "PORT", "DASHBOARD_BIND"),
        *("PRIVATE_ADDRESS", "GIT_REF", "IMAGE"),
    )
)
_PARAMETER_BYTES: Final = 4096  # what a standard parameter in Parameter Store holds

_BEFORE_NITRO: Final = frozenset(
    [
        "t1",
        "t2",
        "m1",
        "m2",
        "m3",
        "m4",
        "c1",
        "c3",
        "c4",
        "r3",
        "r4",
        "i2",
        "d2",
        "x1",
        "x1e",
        "h1",
        "g3",
        "p3",
    ]
)

T = TypeVar("T")


class ConfigError(Exception):
    """The configuration cannot be used; the text names each key, what is wrong with it and an example."""


def read(values: Mapping[str, str], *, stack: str, region: str | None) -> Plan:
    """Return the plan of `values`.

    Args:
        values: the namespace `callboard` of the configuration as Pulumi hands it over: texts, and JSON for
            what has parts; keys without the namespace.
        stack: the name of the stack.
        region: `aws:region`.

    Raises ConfigError with one line for everything that is wrong.
    """
    source = _Source(values)
    plan = Plan(
        mode=source.need("mode", _one_of("single", "multi"), "single"),
        stack=stack,
        region=region or "",
        git_url=source.need("gitUrl", _git_url, ""),
        git_ref=source.take("gitRef", _like(r"\w[\w./-]{0,199}", "v1.4.0"), "main"),
        image=source.take(
            "image", _like(r"\w[\w./:@-]{0,299}", "registry.example.org/callboard:1.4.0"), None
        ),
        web_cidrs=source.take("webCidrs", _cidrs, ("0.0.0.0/0",)),
        web_port=source.take("webPort", _whole(1, 65_535, "80"), 80),
        certificate_arn=source.take("certificateArn", _like(_CERTIFICATE, _A_CERTIFICATE), None),
        domain=source.take(
            "domain", _like(r"(?=.{4,253}$)([\w-]+\.)+[a-z]{2,63}", "tasks.example.org"), None
        ),
        dashboard_cidrs=source.take("dashboardCidrs", _narrow_cidrs, ()),
        ssh_cidrs=source.take("sshCidrs", _narrow_cidrs, ()),
        ssh_public_key=source.take(
            "sshPublicKey", _like(r"(ssh|ecdsa)-\S+ \S+.*", "ssh-ed25519 AAAA… me"), None
        ),
        workers=source.take("workers", _workers, {"worker": 2}),
        instance_types=source.take("instanceTypes", _by_role(INSTANCE_TYPES, _instance_type), {}),
        data_gib=source.take("dataGib", _by_role(DATA_GIB, _whole(8, 16_384, "20")), {}),
        ami=source.take("ami", _like(r"ami-[0-9a-f]{8,17}", "ami-0123456789abcdef0"), None),
        vpc_cidr=source.take("vpcCidr", _vpc_cidr, "10.80.0.0/16"),
        keep_data=source.take("keepData", _yes_no, False),
        settings=source.take("settings", _settings, {}),
        secret_settings=source.take("secretSettings", _settings, {}),
        tags=source.take("tags", _tags, {}),
    )
    if not region:
        source.wrong("aws:region", "is needed, e.g. `pulumi config set aws:region eu-central-1`")
    if not re.fullmatch(r"[A-Za-z0-9][\w-]{0,39}", stack, re.ASCII):
        source.wrong("the stack's name", f"{stack!r} may be 40 letters, digits, - and _; e.g. prod")
    if source.has("sshCidrs") != source.has("sshPublicKey"):
        source.wrong("sshCidrs", "and sshPublicKey need each other; with neither there is Session Manager")
    if not plan.multi and set(plan.workers) != {"worker"}:
        source.wrong("workers", 'has one kind on a single host, that of all queues; e.g. 2 or {"worker": 2}')
    for key, chosen in (("instanceTypes", plan.instance_types), ("dataGib", plan.data_gib)):
        for role in sorted(set(chosen) - set(ROLES_OF_MODE[plan.mode])):
            source.wrong(key, f"has {role}, and a {plan.mode} stack has no such host")
    for name in sorted(plan.settings.keys() & plan.secret_settings.keys()):
        source.wrong("settings", f"has {name}, and secretSettings as well; keep one")
    source.done()
    return plan


class _Source:
    """Takes values by key and collects all that is wrong."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._known: set[str] = set()
        self._problems: list[str] = []

    def wrong(self, key: str, problem: str) -> None:
        name = key if ":" in key or " " in key else f"callboard:{key}"
        self._problems.append(f"{name} {problem}")

    def has(self, key: str) -> bool:
        return bool(self._values.get(key, "").strip())

    def need(self, key: str, parse: Callable[[str], T], stand_in: T) -> T:
        if self.has(key):
            return self.take(key, parse, stand_in)
        self._known.add(key)
        try:
            parse("")
        except ValueError as error:
            self.wrong(key, f"is needed: {error}")
        return stand_in

    def take(self, key: str, parse: Callable[[str], T], default: T) -> T:
        self._known.add(key)
        text = self._values.get(key, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except json.JSONDecodeError:
            self.wrong(key, f"has parts: `pulumi config set --path 'callboard:{key}.PART' VALUE`, or YAML")
        except ValueError as error:
            self.wrong(key, str(error))
        return default

    def done(self) -> None:
        for key in sorted(self._values.keys() - self._known):
            self.wrong(key, f"is not known; known are {', '.join(sorted(self._known))}")
        if self._problems:
            raise ConfigError(
                "the configuration cannot be used:\n" + "\n".join(f"  {each}" for each in self._problems)
            )


_CERTIFICATE: Final = r"arn:aws[\w-]*:acm:[\w-]+:\d{12}:certificate/[\w-]+"
_A_CERTIFICATE: Final = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d"


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}")
        return text

    return parse


def _like(pattern: str, sample: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(f"{text!r} cannot be used; e.g. {sample}")
        return text

    return parse


def _whole(low: int, high: int, sample: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"{text!r} is no whole number from {low} to {high}; e.g. {sample}")
        return int(text)

    return parse


def _yes_no(text: str) -> bool:
    return _one_of("true", "false")(text) == "true"


def _git_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.username or parts.password:  # not repeated: it would be in user-data, which is no place for it
        raise ValueError("has a user or password in it; hosts fetch a public repository")
    if parts.scheme != "https" or not parts.hostname or not re.fullmatch(r"[\w./:~-]+", text, re.ASCII):
        raise ValueError(
            f"{text!r} is no https:// address of a repository; e.g. https://git.example.org/callboard.git"
        )
    return text


def _list(text: str) -> list[str]:
    found: Any = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError('is no list of texts; e.g. ["203.0.113.7/32"]')
    return found


def _mapping(text: str) -> dict[str, str]:
    """Return `{name: text}`; YAML's numbers and booleans become text again."""
    found: Any = json.loads(text)
    if not isinstance(found, dict) or any(isinstance(each, dict | list | None) for each in found.values()):
        raise ValueError("has to be names with one value each")
    return {name: each if isinstance(each, str) else json.dumps(each) for name, each in found.items()}


def _network(text: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        raise ValueError(f"{text!r} is no IPv4 network; e.g. 203.0.113.7/32 or 198.51.100.0/24") from None


def _cidrs(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(_network(each)) for each in _list(text)))


def _narrow_cidrs(text: str) -> tuple[str, ...]:
    found = _cidrs(text)
    for each in found:
        if _network(each).prefixlen < 8:
            raise ValueError(f"{each} is the internet; name the networks that need it, e.g. 203.0.113.7/32")
    return found


def _vpc_cidr(text: str) -> str:
    network = _network(text)
    if network.prefixlen > 20 or network.prefixlen < 16 or not network.is_private:
        raise ValueError(f"{text!r} is no private network of size /16 to /20; e.g. 10.80.0.0/16")
    return text


def _workers(text: str) -> dict[str, int]:
    count = _whole(0, 100, "2")
    found = {"worker": text} if text.isdigit() else _mapping(text)
    for kind in found:
        if kind not in WORKER_KINDS:
            raise ValueError(f"{kind!r} is none of {', '.join(WORKER_KINDS)}")
    workers = {kind: count(each) for kind, each in found.items()}
    if not any(workers.values()):
        raise ValueError("is nobody: no task would run; e.g. 2")
    return {kind: number for kind, number in workers.items() if number}


def _instance_type(text: str) -> str:
    if text.split(".")[0] in _BEFORE_NITRO:
        raise ValueError(f"{text!r} names disks in an older way; take a newer generation, e.g. t3.small")
    return _like(r"[a-z][a-z0-9-]*\d[a-z0-9-]*\.[a-z0-9-]+", "t3.small or t4g.small")(text)


def _by_role(defaults: Mapping[Role, Any], parse: Callable[[str], T]) -> Callable[[str], dict[Role, T]]:
    def parse_all(text: str) -> dict[Role, T]:
        found = _mapping(text)
        for name in found:
            if name not in {role.value for role in defaults}:
                raise ValueError(f"{name!r} is none of {', '.join(defaults)}")
        return {Role(name): parse(each) for name, each in found.items()}

    return parse_all


def _settings(text: str) -> dict[str, str]:
    found = _mapping(text)
    for name, value in found.items():
        if not re.fullmatch(r"CALLBOARD_[A-Z][A-Z0-9_]*", name):
            raise ValueError(f"{name!r} is no setting; e.g. CALLBOARD_LOG_LEVEL (docs/settings.md)")
        if name in OWN_SETTINGS or name.removesuffix("_FILE") in OWN_SETTINGS:
            raise ValueError(f"{name} is set by the stack itself; leave it out")
        if not value.isprintable() or "'" in value or "$" in value:
            raise ValueError(f"{name} has a quote, a $, a line break or a control character in it")
    if len(json.dumps(found)) > _PARAMETER_BYTES // 2:
        raise ValueError(f"has more than {_PARAMETER_BYTES // 2} bytes")
    return found


def _tags(text: str) -> dict[str, str]:
    found = _mapping(text)
    for name, value in found.items():
        if not re.fullmatch(r"(?!aws:)[\w .:/=+@-]{1,128}", name) or not re.fullmatch(
            r"[\w .:/=+@-]{0,256}", value
        ):
            raise ValueError(f"{name!r}: AWS takes letters, digits, spaces and . : / = + - @ _ in tags")
    return found
