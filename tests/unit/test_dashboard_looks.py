"""The dashboard has a style sheet of its own, as a process without `web`; its colours are those of the UI."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tokens(path: str) -> dict[str, str]:
    """Return the custom properties of a style sheet's first `:root`."""
    text = (ROOT / path).read_text("utf-8")
    (block,) = re.findall(r"^:root \{(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"(--[\w-]+):\s*(.+?);", block))


def test_a_token_of_both_style_sheets_has_one_value() -> None:
    ui, dashboard = tokens("web/static/base.css"), tokens("src/callboard/dashboard/static/dashboard.css")
    both = ui.keys() & dashboard.keys()
    assert len(both) > 12
    assert {name: dashboard[name] for name in both} == {name: ui[name] for name in both}
