"""Who may import whom (the house rules), read from the source with `ast`; nothing is imported for it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import callboard
from callboard import files as callboard_files

ROOT = Path(__file__).parents[2]
LINES_MOST = 300
#: Files with lines: what people read. Others (icons, fonts) have none.
TEXT = {".py", ".lua", ".html", ".css", ".js", ".json", ".txt", ".md"}

#: What actors may name: the public names, and the errors that reading a file raises.
PUBLIC = {f"callboard.{name}" for name in callboard.__all__} | {"callboard"}
FILE_ERRORS = {
    f"callboard.files.{name}"
    for name, value in vars(callboard_files).items()
    if isinstance(value, type) and issubclass(value, Exception)
}
#: What reaches RabbitMQ or Redis itself; only the bootstrap hands it to those who use it.
ADAPTERS = {
    "callboard.store.sync", "callboard.store.aio", "callboard.store.clients", "callboard.broker.rabbitmq",
    "callboard.broker.publisher", "callboard.broker.embedded",
}  # fmt: skip
PLAIN = {"callboard.tasks", "callboard.errors", "callboard.settings", "callboard.logs"}


@dataclass(frozen=True)
class Rule:
    """What modules below `who` may not name."""

    says: str
    who: set[str]
    #: What is forbidden, with everything below it.
    never: set[str] = field(default_factory=set)
    #: The only names below callboard that are allowed, with everything below them; None: all.
    ours: set[str] | None = None
    #: As `ours`, without what is below them.
    ours_exactly: set[str] = field(default_factory=set)
    #: Modules below `who` that are not meant.
    but: set[str] = field(default_factory=set)
    #: Modules that may import it by a string, in `import_module("…")`.
    by_string: set[str] = field(default_factory=set)
    #: Whether imports under TYPE_CHECKING do not count.
    typing_is_free: bool = False

    def forbids(self, name: str) -> bool:
        """Tell whether `name` may not be imported."""
        if below(name, self.never):
            return True
        if self.ours is None or not below(name, {"callboard"}):
            return False
        return not below(name, self.ours) and name not in self.ours_exactly


RULES = [
    Rule("tasks imports nothing of ours but errors", who={"callboard.tasks"}, typing_is_free=True,
         ours={"callboard.tasks", "callboard.errors"}),
    Rule("tasks does no I/O", who={"callboard.tasks"}, typing_is_free=True,
         never={"dramatiq", "pika", "redis", "falcon"}),
    *(Rule(f"{part} imports of ours only tasks, errors, settings, logs", who={f"callboard.{part}"},
           ours={f"callboard.{part}", *PLAIN})
      for part in ("broker", "store", "live")),
    Rule("submit, worker, scheduler, dashboard take adapters from the bootstrap", never=ADAPTERS,
         typing_is_free=True,
         who={"callboard.submit", "callboard.worker", "callboard.scheduler", "callboard.dashboard"}),
    Rule("web never talks to RabbitMQ or Redis itself", who={"web"}, never={"dramatiq", "pika", "redis"}),
    Rule("actors import only public names of callboard, and the errors of callboard.files", who={"actors"},
         ours=set(), ours_exactly=PUBLIC | FILE_ERRORS),
    Rule("callboard never imports actors or web", who={"callboard"}, never={"actors", "web"},
         by_string={"callboard.cli", "callboard.bootstrap"}),
    Rule("nothing but settings reads the environment", who={"callboard"}, but={"callboard.settings"},
         never={"os.environ", "os.environb", "os.getenv", "os.getenvb"}),
]  # fmt: skip


@dataclass(frozen=True)
class Named:
    """Something a source names from outside: by an import, or as an attribute of an imported module."""

    name: str
    line: int
    typing_only: bool
    by_string: bool


def below(name: str, roots: set[str]) -> bool:
    """Tell whether a dotted name is one of `roots` or below one."""
    return any(name == root or name.startswith(root + ".") for root in roots)


def named_in(source: str, module: str, is_package: bool = False) -> list[Named]:
    """Return everything a source names from outside, in full."""
    tree = ast.parse(source)
    typing_only = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and ast.unparse(test.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in test.body
        for node in ast.walk(statement)
    }
    package = module.split(".") if is_package else module.split(".")[:-1]
    found = []
    for node in ast.walk(tree):
        for name in _names(node, package):
            line: int = getattr(node, "lineno", 0)
            found.append(Named(name, line, id(node) in typing_only, isinstance(node, ast.Call)))
    return found


def _names(node: ast.AST, package: list[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        home = package[: len(package) - node.level + 1] if node.level else []
        start = [*home, *([node.module] if node.module else [])]
        yield from (".".join([*start, alias.name]) for alias in node.names)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
        yield f"os.{node.attr}"
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def breaches(rule: Rule, module: str, source: str, file: str = "", is_package: bool = False) -> list[str]:
    """Return a sentence for everything in a source that breaks a rule."""
    if not below(module, rule.who) or below(module, rule.but):
        return []
    return [
        f"{file or module}:{each.line}: {each.name} breaks the rule: {rule.says}"
        for each in named_in(source, module, is_package)
        if rule.forbids(each.name)
        and not (rule.typing_is_free and each.typing_only)
        and not (each.by_string and module in rule.by_string)
    ]


def sources() -> list[Path]:
    """Return the files of the three packages, without what Python or an editor left behind."""
    found = [path for top in ("src/callboard", "actors", "web") for path in (ROOT / top).rglob("*")]
    return sorted(path for path in found if path.suffix in TEXT and "__pycache__" not in path.parts)


def module_of(path: Path) -> str:
    """Return the module a file is."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(part for part in parts if part not in ("src", "__init__"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.says)
def test_nobody_breaks_the_rule(rule: Rule) -> None:
    found = []
    for path in sources():
        if path.suffix == ".py":
            file, is_package = str(path.relative_to(ROOT)), path.name == "__init__.py"
            found += breaches(rule, module_of(path), path.read_text(encoding="utf-8"), file, is_package)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.says)
def test_the_rule_is_about_files_that_are_there(rule: Rule) -> None:
    modules = {module_of(path) for path in sources() if path.suffix == ".py"}
    for who in rule.who | rule.but:
        assert who in modules


def test_what_the_rules_name_is_there() -> None:
    modules = {module_of(path) for path in sources() if path.suffix == ".py"}
    assert modules >= ADAPTERS | {
        "callboard.tasks",
        "callboard.errors",
        "callboard.settings",
        "callboard.logs",
    }


def too_long(path: Path) -> list[str]:
    """Return a sentence when a file is too long to see whole."""
    number = len(path.read_text(encoding="utf-8").splitlines())
    return [f"{path.name} has {number} lines, more than {LINES_MOST}"] if number > LINES_MOST else []


def test_every_file_is_short_enough_to_see_whole() -> None:
    found = [sentence for path in sources() for sentence in too_long(path)]
    assert not found, "\n".join(found)


#: Made-up sources that break a rule: module, source, and the words that must be in the answer.
BROKEN = [
    ("callboard.tasks.x", "import callboard.store.keys", "1: callboard.store.keys breaks the rule: tasks"),
    ("callboard.tasks.x", "from callboard import settings", "callboard.settings breaks the rule: tasks"),
    ("callboard.tasks.x", "from callboard.files import Files", "callboard.files.Files"),
    ("callboard.tasks.x", "\n\nimport redis.asyncio", "callboard.tasks.x:3: redis.asyncio"),
    ("callboard.tasks.x", "def f():\n    from dramatiq import Message", "tasks does no I/O"),
    ("callboard.broker.x", "from callboard.store import keys", "broker imports of ours only"),
    ("callboard.broker.x", "from ..store import keys", "callboard.store.keys breaks the rule: broker"),
    ("callboard.store.x", "from callboard.live.hub import Hub", "store imports of ours only"),
    ("callboard.live.x", "from callboard.broker.topology import Queue", "live imports of ours only"),
    ("callboard.live.x", "from callboard.submit import Submitter", "live imports of ours only"),
    ("callboard.submit", "from callboard.store.aio import AsyncStore", "take adapters from the bootstrap"),
    ("callboard.worker.x", "from callboard.store import sync", "take adapters from the bootstrap"),
    ("callboard.worker.x", "from callboard.broker import rabbitmq as r", "take adapters from the bootstrap"),
    ("callboard.scheduler.x", "import callboard.store.clients", "take adapters from the bootstrap"),
    ("callboard.dashboard.x", "import callboard.store.sync", "take adapters from the bootstrap"),
    ("web.x", "import redis", "web never talks to RabbitMQ or Redis"),
    ("web.x", "from pika.exceptions import AMQPError", "web never talks to RabbitMQ or Redis"),
    ("web", "import dramatiq as d", "web never talks to RabbitMQ or Redis"),
    ("actors.x", "from callboard.tasks.registry import task", "actors import only public names"),
    ("actors.x", "from callboard import errors", "actors import only public names"),
    ("actors.x", "import callboard.settings", "actors import only public names"),
    ("actors.x", "from callboard.files import Files", "actors import only public names"),
    ("callboard.x", "import actors.text", "callboard never imports actors or web"),
    ("callboard.cli", "from web import app", "callboard never imports actors or web"),
    ("callboard.x", "import importlib\nimportlib.import_module('web.app')", "never imports actors or web"),
    ("callboard.x", "import os\n\nHOME = os.environ['HOME']", "callboard.x:3: os.environ breaks the rule"),
    ("callboard.local.x", "from os import getenv", "os.getenv breaks the rule: nothing but settings"),
]
#: Made-up sources that keep every rule.
KEPT = [
    (
        "callboard.tasks.x",
        "import msgspec\nfrom callboard.errors import Conflict\nimport callboard.tasks.ids",
    ),
    ("callboard.tasks.x", "if TYPE_CHECKING:\n    import redis\n    from callboard.files import Files"),
    ("callboard.tasksque", "import redis"),
    (
        "callboard.store.x",
        "import redis\nfrom callboard.tasks import ids\nfrom callboard.settings import MEMORY",
    ),
    ("callboard.broker.x", "import pika\nfrom . import topology"),
    ("callboard.worker.x", "import dramatiq\nfrom callboard.store import calls, keys, pages, scripts"),
    ("callboard.submit", "if typing.TYPE_CHECKING:\n    from callboard.store.aio import AsyncStore"),
    ("callboard.bootstrap", "from callboard.store.aio import AsyncStore\nAPP = 'web.app:create'"),
    ("callboard.cli", "import importlib\nimportlib.import_module('web.serve').run()"),
    ("callboard.settings", "import os\nENV = os.environ"),
    ("callboard.x", "import os\nos.getpid()\nself.os.environ"),
    ("web.x", "import falcon, msgspec\nfrom callboard.bootstrap import connect"),
    (
        "actors.x",
        "import callboard\nfrom callboard import Params, task\nfrom callboard.files import FileMissing",
    ),
]


@pytest.mark.parametrize(("module", "source", "words"), BROKEN)
def test_a_made_up_source_that_breaks_a_rule_is_found(module: str, source: str, words: str) -> None:
    found = [sentence for rule in RULES for sentence in breaches(rule, module, source)]
    assert any(words in sentence for sentence in found), found


@pytest.mark.parametrize(("module", "source"), KEPT)
def test_a_made_up_source_that_keeps_the_rules_is_let_by(module: str, source: str) -> None:
    assert [sentence for rule in RULES for sentence in breaches(rule, module, source)] == []


def test_every_rule_can_be_broken() -> None:
    broken = {rule.says for rule in RULES for module, source, _ in BROKEN if breaches(rule, module, source)}
    assert broken == {rule.says for rule in RULES}


def test_a_file_that_is_too_long_is_found(tmp_path: Path) -> None:
    long, short = tmp_path / "long.py", tmp_path / "short.py"
    long.write_text("pass\n" * (LINES_MOST + 1))
    short.write_text("pass\n" * LINES_MOST)
    assert too_long(long) == ["long.py has 301 lines, more than 300"]
    assert too_long(short) == []
