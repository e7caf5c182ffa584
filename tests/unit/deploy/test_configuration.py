"""Configurations that cannot be used: one line each, with the key and a way out."""

import json
import re

import pulumi
import pytest
import yaml

from callboard_aws.configured import configured
from callboard_aws.reading import ConfigError, read
from tests.unit.deploy.graph import GIT_URL, PROGRAM, build

NEEDED = {"mode": "single", "gitUrl": GIT_URL}


def refusal(values: dict[str, str], *, stack: str = "prod", region: str | None = "eu-central-1") -> str:
    with pytest.raises(ConfigError) as caught:
        read(NEEDED | values, stack=stack, region=region)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"mode": "double"}, "callboard:mode 'double' is none of single, multi"),
        ({"mode": ""}, "callboard:mode is needed"),
        ({"gitUrl": ""}, "callboard:gitUrl is needed"),
        ({"gitUrl": "git@git.example.org:x.git"}, "is no https:// address"),
        ({"gitUrl": "https://me:hidden@git.example.org/x.git"}, "callboard:gitUrl has a user or password"),
        ({"gitRef": "main; reboot"}, "callboard:gitRef 'main; reboot' cannot be used"),
        ({"gitRef": "--upload-pack=x"}, "callboard:gitRef"),
        ({"image": "callboard $(id)"}, "callboard:image"),
        ({"workers": "many"}, "callboard:workers has parts"),
        ({"workers": "101"}, "'101' is no whole number from 0 to 100"),
        ({"workers": "0"}, "callboard:workers is nobody"),
        ({"workers": '{"worker-fast": 1}', "mode": "multi"}, "'worker-fast' is none of worker, worker-email"),
        ({"workers": '{"worker": 1, "worker-email": 1}'}, "callboard:workers has one kind on a single host"),
        ({"instanceTypes": '{"host": "big"}'}, "'big' cannot be used; e.g. t3.small"),
        ({"instanceTypes": '{"host": "t2.micro"}'}, "take a newer generation"),
        ({"instanceTypes": '{"web": "t3.small"}'}, "has web, and a single stack has no such host"),
        ({"instanceTypes": '{"database": "t3.small"}'}, "'database' is none of host, web"),
        (
            {"instanceTypes": "t3.small"},
            "has parts: `pulumi config set --path 'callboard:instanceTypes.PART'",
        ),
        ({"dataGib": '{"host": 1}'}, "'1' is no whole number from 8 to 16384"),
        ({"webPort": "http"}, "callboard:webPort 'http' is no whole number"),
        ({"webCidrs": '["10.0.0.1/8"]'}, "'10.0.0.1/8' is no IPv4 network"),
        ({"webCidrs": '{"a": 1}'}, "callboard:webCidrs is no list"),
        ({"dashboardCidrs": '["0.0.0.0/0"]'}, "0.0.0.0/0 is the internet"),
        ({"sshCidrs": '["0.0.0.0/0"]', "sshPublicKey": "ssh-ed25519 AAAA"}, "0.0.0.0/0 is the internet"),
        ({"sshCidrs": '["203.0.113.7/32"]'}, "callboard:sshCidrs and sshPublicKey need each other"),
        ({"sshPublicKey": "-----BEGIN KEY-----", "sshCidrs": '["203.0.113.7/32"]'}, "ssh-ed25519 AAAA… me"),
        ({"certificateArn": "arn:aws:iam::1:x"}, "callboard:certificateArn"),
        ({"domain": "https://tasks.example.org"}, "callboard:domain"),
        ({"ami": "ubuntu"}, "callboard:ami 'ubuntu' cannot be used"),
        ({"vpcCidr": "10.80.0.0/24"}, "is no private network of size /16 to /20"),
        ({"vpcCidr": "8.8.0.0/16"}, "is no private network"),
        ({"keepData": "perhaps"}, "'perhaps' is none of true, false"),
        ({"settings": '{"PATH": "/"}'}, "'PATH' is no setting"),
        (
            {"settings": '{"CALLBOARD_REDIS_URL": "redis://x"}'},
            "CALLBOARD_REDIS_URL is set by the stack itself",
        ),
        ({"settings": '{"CALLBOARD_MAIL_FROM": "a\'b"}'}, "has a quote, a $, a line break"),
        ({"settings": '{"CALLBOARD_THREADS": [8]}'}, "has to be names with one value each"),
        ({"tags": '{"aws:x": "1"}'}, "AWS takes letters"),
        ({"wokers": "3"}, "callboard:wokers is not known; known are ami, certificateArn"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_the_way_out(values: dict[str, str], says: str) -> None:
    text = refusal(values)
    assert says in text
    assert "hidden" not in text
    assert len(text.splitlines()) == 2


def test_everything_wrong_is_told_at_once() -> None:
    lines = refusal({"mode": "x", "webPort": "0", "nonsense": "1"}, stack="näme", region=None).splitlines()
    keys = [line.split()[0] for line in lines[1:]]
    assert keys == ["callboard:mode", "callboard:webPort", "aws:region", "the", "callboard:nonsense"]


def test_secret_settings_are_never_repeated() -> None:
    text = refusal({"secretSettings": '{"CALLBOARD_SMTP_URL": "hidden\\nword"}'})
    assert "CALLBOARD_SMTP_URL" in text
    assert "hidden" not in text
    both = '{"CALLBOARD_SMTP_URL": "hidden"}'
    assert "secretSettings as well" in refusal({"settings": both, "secretSettings": both})
    plan = read(NEEDED | {"secretSettings": both}, stack="prod", region="eu-central-1")
    assert "hidden" not in repr(plan)


def test_the_configuration_is_read_as_pulumi_hands_it_over(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"callboard:mode": "single", "callboard:workers": '{"worker":3}', "aws:region": "eu-west-1"}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(given))
    assert configured("callboard") == {"mode": "single", "workers": '{"worker":3}'}


def test_the_program_ends_with_the_text_and_builds_nothing() -> None:
    with pytest.raises(pulumi.RunError, match="callboard:webPort"):
        build("single", {"webPort": "0"})


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_the_samples_are_good_as_they_are(mode: str) -> None:
    sample = yaml.safe_load((PROGRAM / f"Pulumi.{mode}.yaml").read_text(encoding="utf-8"))["config"]
    values = {key.split(":")[1]: value for key, value in sample.items() if key.startswith("callboard:")}
    graph = build(mode, values, region=sample["aws:region"])
    assert graph.outputs["region"] == sample["aws:region"]


def test_the_readme_lists_every_key() -> None:
    text = (PROGRAM / "README.md").read_text(encoding="utf-8").split("## Configuration")[1]
    known = refusal({"?": "1"}).split("known are ")[1].split(", ")
    assert sorted(re.findall(r"^\| `(\w+)` \| ", text, re.MULTILINE)) == sorted(known)
