"""docs/metrics.md lists every metric and label as the catalogue has them. To write it anew, run this file."""

import re
from pathlib import Path

from callboard.metrics.catalogue import CATALOGUE, LABELS

DOCUMENT = Path(__file__).parents[2] / "docs/metrics.md"


def tables() -> dict[str, str]:
    """Return the tables as they have to be, by the name of their mark."""
    metrics = ["| metric | kind | where | labels | what |", "| --- | --- | --- | --- | --- |"]
    for each in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        metrics.append(f"| `{each.name}` | {each.kind} | {each.where} | {labels} | {each.help} |")
    labels = ["| label | values |", "| --- | --- |", *(f"| `{k}` | {v} |" for k, v in LABELS.items())]
    return {"metrics": "\n".join(metrics), "labels": "\n".join(labels)}


def written(text: str) -> str:
    """Return the document with its tables."""
    for mark, table in tables().items():
        text = re.sub(
            rf"(<!-- {mark}: [^\n]*-->\n).*?(<!-- end -->)",
            lambda found, table=table: f"{found[1]}\n{table}\n\n{found[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    return text


def test_the_document_lists_every_metric_and_label() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == written(text)
    assert all(f"`{each.name}`" in text for each in CATALOGUE)


def test_every_label_is_explained_and_used() -> None:
    assert {label for each in CATALOGUE for label in each.labels} == set(LABELS)


def test_names_follow_the_conventions() -> None:
    for each in CATALOGUE:
        assert re.fullmatch(r"callboard_[a-z_]+", each.name)
        assert each.name.endswith("_total") == (each.kind == "counter")
        assert each.name.endswith("_seconds") == bool(each.buckets) or each.kind == "gauge"
        assert each.help.endswith(".")
        assert each.kind in ("counter", "gauge", "histogram")


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
