"""Documents name only commands, settings, addresses of the API, files and texts that there are."""

import argparse
import re
from pathlib import Path

import pytest

from callboard.cli import _parser
from web.access import RULES

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
        *(ROOT / "requirements").glob("*.md"),
    ]
)
#: Of `make chaos`.
WRITTEN_LATER = {ROOT / "docs/reliability.md"}
#: Where a variable or a text of the program may stand.
SOURCES = [
    *(ROOT / "src").rglob("*.py"),
    *(ROOT / "web").rglob("*.py"),
    *(ROOT / "web/static").glob("*.js"),
    *(ROOT / "deploy/containers").rglob("*.py"),
    *ROOT.glob("docker-compose*.yml"),
    *(ROOT / "scripts").glob("*.sh"),
    ROOT / "Makefile",
]
named = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def code_of(text: str) -> str:
    """Return what stands in fences and between backticks, where commands are, without comments and Python."""
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.M | re.S)
    fences = [content for language, content in found if language != "python"]
    indented = re.findall(r"^ {4}\S.*$", text, re.M)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))
    return re.sub(r"(?m)(^|\s)#.*$", "", "\n".join([*fences, *indented, *inline]))


def words_of(*texts: str) -> str:
    """Return texts of the program as one line, with line breaks and the pieces of a literal joined."""
    return re.sub(r"\s+", " ", re.sub(r'"\s*\n\s*(?:f|rf|r)?"', "", "\n".join(texts)))


@named
def test_make_targets_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    wanted = re.findall(
        r"(?:^|[\s`$(;&])make ([a-z][a-z-]*)", code_of(document.read_text(encoding="utf-8")), re.M
    )
    assert set(wanted) <= targets


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the subcommands by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


@named
def test_commands_and_their_options_exist(document: Path) -> None:
    text = code_of(document.read_text(encoding="utf-8"))
    for line in re.findall(r"(?:^|[\s`;&])callboard ((?:[a-z]|--).*)", text, re.M):
        parser, words = _parser(), re.split(r"[;&|`]", line)[0].split("#")[0].split()
        name = words[0]
        if name.startswith("--"):
            assert name in parser._option_string_actions, line
            continue
        assert name in commands(parser), line
        parser = commands(parser)[name]
        if commands(parser) and len(words) > 1 and words[1].isalpha():
            assert words[1] in commands(parser), line
            parser = commands(parser)[words[1]]
        for option in (word for word in words if word.startswith("--")):
            assert option.split("=")[0] in parser._option_string_actions, line


@named
def test_settings_exist(document: Path) -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    known = set(re.findall(r"CALLBOARD_[A-Z][A-Z0-9_]*[A-Z0-9]", sources))
    known |= {
        f"CALLBOARD_{name}" for name in re.findall(r'(?:take|_number|_free)\([^"()]*"([A-Z_]+)"', sources)
    }
    wanted = re.findall(r"CALLBOARD_[A-Z][A-Z0-9_]*[A-Z0-9]\b", document.read_text(encoding="utf-8"))
    unknown = {name for name in wanted if name not in known and name.removesuffix("_FILE") not in known}
    assert unknown <= {"CALLBOARD_X"}


@named
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists() or file in WRITTEN_LATER, target
        if anchor and file.suffix == ".md" and file.exists():
            heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, target


@named
def test_addresses_of_the_api_exist(document: Path) -> None:
    known = [(method, re.compile(re.sub(r"\{[^}]+\}", "[^/]+", route))) for method, route in RULES]
    text = code_of(document.read_text(encoding="utf-8"))
    for method, path in re.findall(r"\b(GET|POST|PUT|DELETE|WS) (/[\w][\w/{}.\-]*|/(?![\w{]))", text):
        wanted = "WEBSOCKET" if method == "WS" else method
        assert any(
            wanted == each and pattern.fullmatch(path.rstrip("/") or "/") for each, pattern in known
        ), f"{method} {path}"


def test_troubleshooting_quotes_the_programs_own_words() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    program = words_of(*(path.read_text(encoding="utf-8") for path in SOURCES))
    plain = re.sub(r"\{[^{}]*\}", "…", program)
    tables = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    pieces = [
        piece.strip(" .:")
        for quoted in re.findall(r'"([^"\n]+)"', tables)
        for piece in quoted.split("…")
        if len(piece.strip(" .:")) > 3
    ]
    assert len(pieces) > 40
    assert [piece for piece in pieces if piece not in program and piece not in plain] == []


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    missing = [path.name for path in (ROOT / "docs").glob("*.md") if f"({path.name})" not in index]
    assert missing == ["README.md"]


def test_health_problems_that_are_named_exist() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    known = (ROOT / "docs/health.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:workers|queue|worker|scheduler|overdue|outbox)(?:-[a-z]+)*)`", text):
        assert f"`{name}" in known, name
