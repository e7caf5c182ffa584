"""What src/callboard/dashboard leans on in dramatiq-dashboard; each test says what would break.

The package is pinned, has no types and promises nothing about its inside.
"""

import ast
import inspect
import re
from dataclasses import fields
from importlib.metadata import version
from importlib.resources import files

import dramatiq_dashboard
import pytest
from dramatiq_dashboard import application, csrf, interface

from callboard.dashboard import app, gate
from callboard.dashboard.records import Records
from callboard.dashboard.shown import Shown

TEMPLATES = {
    path.name: path.read_text("utf-8")
    for path in (files("dramatiq_dashboard") / "templates").iterdir()
    if path.name.endswith(".html")
}
#: Those that are shown; `_base.html` is ours.
SHOWN = {name: text for name, text in TEMPLATES.items() if name != "_base.html"}


def attributes_of(source: str, name: str) -> set[str]:
    """Return what a source reads of an object, written as a name (`job`) or as `self.name`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in (name, f"self.{name}"):
            found.add(node.attr)
    return found


def test_it_is_the_version_that_was_read() -> None:
    assert version("dramatiq-dashboard") == dramatiq_dashboard.__version__ == "0.4.0"


def test_the_application_asks_its_interface_only_what_records_answer() -> None:
    asked = attributes_of(inspect.getsource(application), "iface")
    assert asked == {"queues", "workers", "get_queue", "get_jobs", "get_job", "delete_message"}
    assert asked <= set(dir(Records))


@pytest.mark.parametrize("name", ["get_queue", "get_jobs", "get_job", "delete_message"])
def test_records_take_the_arguments_of_the_interface_they_replace(name: str) -> None:
    theirs = inspect.signature(getattr(interface.RedisInterface, name)).parameters
    ours = inspect.signature(getattr(Records, name)).parameters
    assert list(ours) == list(theirs)


def test_making_the_application_asks_the_broker_for_scripts_only() -> None:
    made = inspect.getsource(interface.RedisInterface.__init__) + inspect.getsource(
        application.DashboardApp.__init__
    )
    assert set(re.findall(r"broker\.([a-z_.]+)", made)) == {"client.register_script"}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (interface.Queue, ["name", "jobs", "jobs_delayed", "jobs_dead"]),
        (interface.Worker, ["name", "last_seen", "jobs_in_flight"]),
        (interface.Job, ["message_id", "message", "eta", "timestamp", "retries"]),
    ],
)
def test_the_shapes_are_those_that_records_fill(kind: type, names: list[str]) -> None:
    assert [each.name for each in fields(kind)] == names


def test_a_page_reads_of_a_task_only_what_it_has() -> None:
    read = {name for text in SHOWN.values() for name in re.findall(r"\bjob\.([a-z_]+)", text)}
    known = {each.name for each in fields(interface.Job)} | {each.name for each in fields(Shown)}
    assert {"args", "kwargs", "options"} <= read <= known


def test_the_routes_are_those_that_the_gate_knows() -> None:
    class Nothing:
        namespace = ""

        @property
        def client(self) -> "Nothing":
            return self

        def register_script(self, script: bytes) -> None:
            pass

    table = application.DashboardApp(Nothing(), "")._dispatch_table
    routes = {pattern.pattern: method.__name__ for pattern, method in table}
    assert len(routes) == 7
    changing = {pattern for pattern in routes if "message$" in pattern.replace("/?", "")}
    assert changing == {f"^{address}/?$" for address in gate.CHANGES}
    for name in ("job", "delete_message", "requeue_message"):
        assert inspect.isfunction(vars(app.Dashboard)[name])
        assert inspect.isfunction(vars(application.DashboardApp)[name])


def test_the_token_is_named_and_made_as_the_gate_expects() -> None:
    assert csrf._CSRF_COOKIE == gate.CSRF
    assert gate._TOKEN.fullmatch(csrf.generate_csrf_token())


def test_the_pages_fill_the_blocks_of_our_frame() -> None:
    for name in ("dashboard.html", "queue.html", "job.html"):
        assert TEMPLATES[name].startswith('{% extends "_base.html" %}')
        assert set(re.findall(r"{% block (\w+) %}", TEMPLATES[name])) == {"subtitle", "content"}


def test_the_second_and_the_fifth_row_of_a_task_are_those_that_are_hidden() -> None:
    rows = re.findall(r"<th>([^{<]+)</th>", TEMPLATES["job.html"])
    assert (rows[1], rows[4]) == ("Redis id", "Args")


def test_the_pages_need_nothing_that_the_policy_forbids() -> None:
    for name, text in SHOWN.items():
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|//|javascript:", text), name
        assert re.findall(r"\{\{[^}]*\|\s*safe", text) in ([], ["{{ csrf_token()|safe"]), name


def test_every_class_of_the_pages_that_needs_a_look_has_one() -> None:
    css = app.STATIC["/static/dashboard.css"][1].decode()
    used = {
        name
        for text in SHOWN.values()
        for names in re.findall(r'class="([^"{]+)', text)
        for name in names.split()
    }
    plain = {"table__number", "panel__content", "tabs__tab"}
    assert {name for name in used - plain if f".{name}" not in css} == set()
