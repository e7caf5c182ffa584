"""data_processing."""

import json
import math
import statistics

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.data import Data, data_processing
from callboard import Invalid
from callboard.errors import ValidationFailed
from callboard.tasks.params import convert

NUMBERS = st.one_of(
    st.integers(min_value=-(10**15), max_value=10**15),
    st.floats(min_value=-1e15, max_value=1e15),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def summarise(data):
    return data_processing(convert({"data": data}, Data, "/parameters"))


@given(st.lists(NUMBERS, min_size=2, max_size=200))
@example([0.1] * 10)
@example([1e15, 1, -1e15])
def test_numbers_agree_with_the_statistics_module(values):
    found = summarise(values)
    floats = [float(value) for value in values]
    assert found["kind"] == "numbers"
    assert found["count"] == len(values)
    assert (found["min"], found["max"]) == (min(values), max(values))
    assert found["sum"] == math.fsum(floats)
    assert found["mean"] == statistics.mean(floats)
    assert found["median"] == pytest.approx(statistics.median(values), rel=1e-12, abs=1e-300)
    assert found["stdev"] == pytest.approx(statistics.stdev(values), rel=1e-12, abs=1e-300)
    assert found["quartiles"] == pytest.approx(
        statistics.quantiles(values, n=4, method="inclusive"), rel=1e-9, abs=1e-3
    )


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(), min_size=1, max_size=30))
@example([1.7e308, 1.7e308, -1.7e308])
@example([1e308] * 10)
@example([5e-324, -5e-324])
@example([2**63, 2**64, -(2**80)])
def test_any_double_gives_a_result_every_json_reader_takes(values):
    found = summarise(values)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["min"] <= found["median"] <= found["max"]


def test_one_number_has_no_deviation():
    assert summarise([5])["stdev"] is None
    assert summarise([5])["quartiles"] == [5, 5, 5]


def test_a_sum_no_double_holds_is_null():
    assert summarise([1e308, 1e308])["sum"] is None
    assert summarise([1e308, 1e308])["mean"] == 1e308


def test_text_is_counted():
    # When
    found = summarise("The cat's hat.\r\nThe CAT\u2019s hat!\nA hat\n")

    # Then
    assert found["kind"] == "text"
    assert (found["characters"], found["lines"], found["words"]) == (37, 3, 8)
    assert found["unique_words"] == 5
    assert found["top_words"][0] == {"text": "hat", "count": 3}


@given(st.text(max_size=300))
def test_any_text_can_be_summarised(text):
    found = summarise(text)
    assert found["characters"] == len(text)
    assert found["unique_words"] <= found["words"]


def test_records_are_summarised_by_field():
    # Given
    records = [
        {"city": "Bern", "people": 134_000, "capital": True},
        {"city": "Basel", "people": 178_000, "capital": False, "note": None},
        {"city": "Bern", "people": "many", "rivers": ["Aare"], "mayor": {"name": "x"}},
    ]

    # When
    found = summarise(records)

    # Then
    assert (found["kind"], found["count"]) == ("records", 3)
    fields = found["fields"]
    assert fields["city"]["top_texts"] == [{"text": "Bern", "count": 2}, {"text": "Basel", "count": 1}]
    assert fields["people"]["types"] == {"number": 2, "text": 1}
    assert fields["people"]["numbers"]["mean"] == 156_000
    assert fields["capital"]["types"] == {"boolean": 2}
    assert "numbers" not in fields["capital"]
    assert (fields["note"]["present"], fields["note"]["missing"]) == (1, 2)
    assert fields["rivers"]["types"] == {"list": 1}
    assert fields["mayor"]["types"] == {"object": 1}


@given(st.lists(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=5), min_size=1, max_size=10))
def test_any_records_are_summarised_or_refused(records):
    try:
        found = summarise(records)
    except ValidationFailed:
        return
    assert found["count"] == len(records)
    for field in found["fields"].values():
        assert field["present"] + field["missing"] == len(records)
        assert sum(field["types"].values()) == field["present"]


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ([], "/parameters/data"),
        ([1, {"a": 1}], "/parameters/data"),
        ([{"a": 1}, 2], "/parameters/data"),
        ([True], "/parameters/data/0"),
        ([1, None], "/parameters/data/1"),
        (["1"], "/parameters/data/0"),
        ([10**400], "/parameters/data"),
        ([int("9" * 4000) * 10**6000], "/parameters/data"),
        ([{"a": 10**400}], "/parameters/data"),
        ([float("nan")], "/parameters/data"),
        ([float("inf")], "/parameters/data"),
        ([{f"f{number}": 1} for number in range(201)], "/parameters/data"),
        ([1] * 100_001, "/parameters/data"),
        ("a" * 1_000_001, "/parameters/data"),
        (5, "/parameters/data"),
        ({"a": 1}, "/parameters/data"),
        (None, "/parameters/data"),
    ],
)
def test_refused_data_is_pointed_at(data, pointer):
    with pytest.raises(ValidationFailed) as refusal:
        summarise(data)
    assert refusal.value.problems[0].pointer == pointer


def test_a_direct_call_refuses_alike():
    with pytest.raises(Invalid, match="mixes"):
        Data(data=[1, {"a": 1}])
    with pytest.raises(Invalid, match="empty"):
        Data(data=[])


def test_progress_comes_chunk_by_chunk_and_reaches_the_end(attempt, reporter):
    with attempt():
        data_processing(Data(data=list(range(25_000))))
    assert [fraction for fraction, _ in reporter.progresses] == [0.0, 0.4, 0.8, 1.0]
