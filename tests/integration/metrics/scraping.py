"""Reads `/metrics` as Prometheus does."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Scrape:
    """What one answer said: (name, sorted labels) → value, and each family's kind."""

    values: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
    kinds: Mapping[str, str]

    def __call__(self, name: str, **labels: str) -> float | None:
        """Return one value."""
        return self.values.get((name, tuple(sorted(labels.items()))))

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over all series with these labels."""
        return sum(
            value
            for (found, pairs), value in self.values.items()
            if found == name and labels.items() <= dict(pairs).items()
        )

    def labels(self, name: str, label: str) -> set[str]:
        """Return the values a label takes."""
        return {dict(pairs)[label] for found, pairs in self.values if found == name}


def parse(text: str) -> Scrape:
    """Return what Prometheus would store."""
    values, kinds = {}, {}
    for family in text_string_to_metric_families(text):
        kinds[family.name] = family.type
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in values, f"twice: {key}"
            values[key] = sample.value
    return Scrape(values, kinds)


def scrape(url: str) -> Scrape:
    """Return what `url` says now."""
    answer = httpx.get(url, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return parse(answer.text)
