"""The frame of the pages: what is in the files themselves, and how they are sent."""

import gzip
import re
from pathlib import Path

import jinja2
import pytest

import web
from web.site import Site, visible

HERE = Path(web.__file__).parent
TEMPLATES = sorted((HERE / "templates").glob("*.html"))
SCRIPTS = sorted((HERE / "static").glob("*.js"))
STYLES = sorted((HERE / "static").glob("*.css"))

HIDDEN = "\x00\x1f\x7f\x85\xad\u061c\u200b\u200f\u2028\u202e\u2066\u206f\ufeff"


@pytest.fixture(scope="module")
def site() -> Site:
    return Site()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_nothing_inline_and_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|\| *safe\b|autoescape false", text)
    assert not re.search(r"<script(?! (type=\"module\" )?src=\"\{\{ static\()", text)
    assert not re.search(r"https?:|(src|href)=\"//", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_never_parses_text_as_html_or_code(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
    )
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_a_style_loads_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "@import" not in text
    assert all(each.startswith('"data:') for each in re.findall(r"url\((.{6})", text))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_what_a_template_names_is_there(site: Site, path: Path) -> None:
    text = path.read_text("utf-8")
    for name in re.findall(r"\"([a-z-]+\.(?:js|css))\"|'([a-z-]+\.(?:js|css|svg))'", text):
        assert "".join(name) in site.files
    site._templates.get_template(path.name)  # it can be parsed


def test_modules_name_each_other_with_the_version(site: Site) -> None:
    for name, file in site.files.items():
        for wanted, query in re.findall(r'(?:from|import) "\./([^"?]+)(\?[^"]*)?"', file.data.decode()):
            assert wanted in site.files, f"{name} imports {wanted}"
            assert query == f"?v={site.version}"
        assert gzip.decompress(file.packed) == file.data


def test_the_imports_of_modules_are_told_once_and_with_all_they_need(site: Site) -> None:
    told = site.imports("shell.js", "home.js")
    assert len(told) == len(set(told))
    names = {address.split("/")[-1].split("?")[0] for address in told}
    assert {"api.js", "dom.js", "stream.js", "json.js"} <= names
    assert not names & {"shell.js", "home.js"}


def test_hidden_characters_become_visible() -> None:
    shown = visible(f"a{HIDDEN}b\n\té👩\u200d🚀")
    assert not set(shown) & set(HIDDEN)
    assert "\\u202e" in shown
    assert shown.startswith("a\\u0000")
    assert "b\n\té👩" in shown


def test_text_is_escaped_and_a_missing_value_is_an_error(site: Site) -> None:
    template = site._templates.from_string("<p title='{{ x }}'>{{ x }}</p>")
    assert "<script" not in template.render(x="'<script>\"")
    with pytest.raises(jinja2.UndefinedError):
        template.render()
