"""deploy/prometheus and deploy/grafana name only metrics, labels and values that Callboard has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from callboard.metrics.catalogue import ALL, CATALOGUE, FLEET, WORKER
from web.access import RULES

DEPLOY = Path(__file__).parents[2] / "deploy"
METRICS = {each.name: each for each in CATALOGUE}
#: What every scrape target or every process of prometheus-client has.
COMMON = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
NAME = re.compile(r"\b(?:callboard|process)_[a-z_]+|\bup\b(?=\{)")
LABELLED = re.compile(r"\b(callboard_[a-z_]+)\{([^}]*)\}")


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((DEPLOY / "prometheus/callboard.rules.yml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana/callboard.json").read_text(encoding="utf-8"))
    return found


def panels() -> list[dict[str, Any]]:
    return [each for each in dashboard()["panels"] if each["type"] != "row"]


EXPRESSIONS = [
    *((rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()),
    *((panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]),
]


def known(name: str) -> bool:
    """Tell whether a series of this name is exposed."""
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    return name in COMMON or name in METRICS or (base in METRICS and METRICS[base].kind == "histogram")


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=[each[0] for each in EXPRESSIONS])
def test_an_expression_names_what_is_there(title: str, expression: str) -> None:
    names = [each for each in NAME.findall(expression) if not each.startswith("callboard:")]
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert names or any(each in expression for each in recorded)
    assert [each for each in names if not known(each)] == []
    for name, matchers in LABELLED.findall(expression):
        labels = METRICS[re.sub(r"_(bucket|count|sum)$", "", name)].labels
        for label, value in re.findall(r'(\w+)\s*(?:=|!=|=~)\s*"([^"]*)"', matchers):
            assert label in labels, (title, label)
            if label == "route":
                assert value in {route for _, route in RULES}
    for brackets, closing in ("()", "{}", "[]"):
        assert expression.count(brackets) == expression.count(closing)


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=[each[0] for each in EXPRESSIONS])
def test_rates_are_of_counters_and_what_everybody_says_is_not_added_up(title: str, expression: str) -> None:
    for name in re.findall(r"\b(?:rate|increase)\((callboard_[a-z_]+)", expression):
        assert METRICS[re.sub(r"_(bucket|count|sum)$", "", name)].kind != "gauge", title
    for name in re.findall(r"\bsum(?: by \([^)]*\))? ?\((callboard_[a-z_]+)", expression):
        assert METRICS[name].where != FLEET, f"{title}: every web service says {name}: take max"


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) >= 10
    for rule in alerts:
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert re.fullmatch(r"\d+m", rule["for"])


def test_every_metric_is_on_the_dashboard() -> None:
    text = json.dumps(dashboard())
    assert [name for name in METRICS if name not in text] == []


def test_panels_do_not_overlap_and_have_their_own_ids() -> None:
    every = dashboard()["panels"]
    assert len({each["id"] for each in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for each in every:
        at = each["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, each["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_the_scrape_configuration_has_the_jobs_that_rules_and_dashboard_name() -> None:
    document = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    jobs = {each["job_name"] for each in document["scrape_configs"]}
    named = set(re.findall(r'job=\\?"([\w-]+)', json.dumps([dashboard(), rules()]).replace("\\\\", "\\")))
    assert named == jobs
    assert all((DEPLOY / "prometheus" / each).exists() for each in document["rule_files"])
    assert {each.where for each in CATALOGUE} > {WORKER, ALL}
