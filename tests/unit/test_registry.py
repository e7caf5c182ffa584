"""The registry: what can be declared, what is refused, how types are found."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard.errors import RegistrationError, UnknownTaskType
from callboard.tasks.params import Params
from callboard.tasks.registry import DECLARED, DEFAULT_TIME_LIMIT_S, Registry, TaskType, load, task
from callboard.tasks.states import Priority


class Nothing(Params):
    """No parameters."""


class Text(Params):
    text: str = "abc"


def declared(name: str, function: Callable[..., Any] | None = None, **options: Any) -> TaskType:
    def do(params: Nothing) -> str:
        """Do it.

        At length.
        """
        return "done"

    return task(name, **options)(function or do)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Offer a fresh folder on the import path; what is imported from it is unloaded afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write_type(path: Path, name: str, function: str = "run") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"from callboard import Params, task\n\n\nclass P(Params):\n    text: str\n\n\n"
        f"@task({name!r}, queue={name.replace('_', '-')!r})\ndef {function}(params: P) -> str:\n"
        f"    return params.text\n"
    )


def test_a_declared_type_has_the_defaults_of_the_contract() -> None:
    kind = declared("defaults_of_the_contract")
    assert (kind.queue, kind.max_retries, kind.time_limit_s) == ("default", 3, DEFAULT_TIME_LIMIT_S)
    assert kind.permanent == ()
    assert kind.name in DECLARED


def test_a_declared_type_is_still_callable_as_the_function_it_is() -> None:
    assert declared("still_callable")(Nothing()) == "done"


@pytest.mark.parametrize("name", ["", "Reverse", "1st", "reverse-text", "reverse text", "ä", "a" * 65, "x\n"])
def test_a_name_clients_cannot_write_plainly_is_refused(name: str) -> None:
    with pytest.raises(RegistrationError, match=r"task name .* must match"):
        declared(name)


@pytest.mark.parametrize("queue", ["", "Default", "a b", "a.b", "-a", "a" * 33, "x\n"])
def test_a_queue_name_that_rabbitmq_keys_cannot_hold_plainly_is_refused(queue: str) -> None:
    with pytest.raises(RegistrationError, match=r"queue .* must match"):
        declared("bad_queue", queue=queue)


@pytest.mark.parametrize(
    "options", [{"max_retries": -1}, {"time_limit": 0}, {"time_limit": -1}, {"time_limit": float("nan")}]
)
def test_limits_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RegistrationError, match="max_retries must be ≥ 0 and time_limit > 0 seconds"):
        declared("bad_limits", **options)


def no_argument() -> None: ...
def two_arguments(params: Nothing, more: int) -> None: ...
def no_annotation(params) -> None: ...  # type: ignore[no-untyped-def]
def no_params_class(params: dict[str, int]) -> None: ...
def an_instance(params: "Nothing | None") -> None: ...
def an_unknown_class(params: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def by_keyword_only(*, params: Nothing) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        no_argument, two_arguments, no_annotation, no_params_class, an_instance, an_unknown_class,
        by_keyword_only,
    ],
)  # fmt: skip
def test_a_function_that_does_not_take_one_params_argument_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(RegistrationError, match=rf"{function.__name__}.*(exactly one argument|Params class)"):
        declared("bad_function", function)


def test_a_refused_declaration_leaves_no_type_behind() -> None:
    with pytest.raises(RegistrationError):
        declared("left_behind", two_arguments)
    assert "left_behind" not in DECLARED


def test_two_functions_cannot_have_one_name() -> None:
    declared("taken_name")

    def another(params: Nothing) -> None: ...

    with pytest.raises(RegistrationError, match=r"two task types are named 'taken_name'.*do.*another"):
        declared("taken_name", another)


def test_functions_of_one_name_in_two_modules_cannot_share_a_task_name(package: Path) -> None:
    write_type(package / "twins/one.py", "twin")
    write_type(package / "twins/two.py", "twin")
    (package / "twins/__init__.py").touch()
    with pytest.raises(RegistrationError, match=r"two task types.*twins\.one\.run and twins\.two\.run"):
        load(["twins"])


def test_the_same_function_may_be_declared_again() -> None:
    declared("declared_again")
    declared("declared_again")


def test_load_finds_the_types_of_every_module_of_a_package(package: Path) -> None:
    write_type(package / "shop_a/__init__.py", "shop_sell")
    write_type(package / "shop_a/buy.py", "shop_buy")
    write_type(package / "shop_a/deep/__init__.py", "shop_lend")
    write_type(package / "shop_a/deep/far.py", "shop_borrow")
    found = load(["shop_a"])
    assert found.names() == ["shop_borrow", "shop_buy", "shop_lend", "shop_sell"]
    assert found.queues() == ["shop-borrow", "shop-buy", "shop-lend", "shop-sell"]
    assert [each.name for each in found] == found.names()


def test_load_takes_plain_modules_too_and_several_of_them(package: Path) -> None:
    write_type(package / "shop_b.py", "shop_b_sell")
    write_type(package / "shop_c.py", "shop_c_sell")
    assert load(["shop_b", "shop_c"]).names() == ["shop_b_sell", "shop_c_sell"]


def test_load_leaves_out_what_other_modules_declare(package: Path) -> None:
    write_type(package / "shop_d.py", "shop_d_sell")
    write_type(package / "shop_d_more.py", "shop_d_more_sell")
    load(["shop_d_more"])
    assert load(["shop_d"]).names() == ["shop_d_sell"]


def test_load_twice_gives_the_same_types(package: Path) -> None:
    write_type(package / "shop_e.py", "shop_e_sell")
    assert list(load(["shop_e"])) == list(load(["shop_e"]))


def test_a_module_that_is_not_there_is_named_with_its_variable() -> None:
    with pytest.raises(RegistrationError, match="CALLBOARD_ACTORS: cannot import 'no_such_module'"):
        load(["no_such_module"])


def test_a_module_that_declares_nothing_is_refused(package: Path) -> None:
    (package / "shop_empty.py").touch()
    with pytest.raises(RegistrationError, match="no task type is declared in shop_empty"):
        load(["shop_empty"])


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    registry = Registry()
    registry.add(declared("known_one"))
    with pytest.raises(UnknownTaskType, match=r"/task_type: no task type 'x'; known types: known_one"):
        registry.get("x")
    with pytest.raises(UnknownTaskType, match="known types: none"):
        Registry().get("x")


def test_a_hostile_name_is_cut_in_the_answer() -> None:
    with pytest.raises(UnknownTaskType) as caught:
        Registry().get("x" * 10_000)
    assert len(str(caught.value)) < 300


def test_a_type_describes_itself_for_clients() -> None:
    def reverse(params: Text) -> str:
        """Reverse a text."""
        return params.text[::-1]

    kind = declared("described", reverse, queue="texts", max_retries=1, time_limit=5)
    shown = kind.describe()
    assert shown["name"] == "described"
    assert shown["description"] == "Reverse a text."
    assert shown["queue"] == "texts"
    assert shown["defaults"] == {"priority": Priority.NORMAL, "max_retries": 1, "time_limit": 5.0}
    assert shown["schema"]["properties"] == {"text": {"type": "string", "default": "abc"}}
    assert shown["example"] == {"task_type": "described", "parameters": {}}


def test_the_docstring_is_the_description_without_its_indentation() -> None:
    assert declared("indented").description == "Do it.\n\nAt length."


def test_sending_needs_a_broker_and_says_how_to_get_one() -> None:
    kind = declared("not_connected")
    with pytest.raises(RegistrationError, match=r"not_connected\.send needs a broker: call callboard\."):
        kind.send(text="a")


def test_sending_goes_through_the_actor_that_was_bound() -> None:
    class Recorder:
        def send(self, **parameters: Any) -> dict[str, Any]:
            return parameters

    kind = declared("connected")
    kind.actor = Recorder()
    assert kind.send(text="a") == {"text": "a"}
