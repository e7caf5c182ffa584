"""reverse_text and sentiment."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.text import ReverseText, Sentiment, reverse_text, sentiment
from callboard.errors import ValidationFailed
from callboard.tasks.params import convert

#: Each is one grapheme cluster and stays one beside any other of them.
CLUSTERS = ["a", "Z", " ", "é", "e\u0301", "한", "👍", "👍🏽", "👨‍👩‍👧", "ñ", "क्षि", "1️⃣", "\r\n", "!"]


@pytest.mark.parametrize(
    ("text", "reversed_text"),
    [
        ("stressed", "desserts"),
        ("", ""),
        ("cafe\u0301s", "se\u0301fac"),
        ("go 👩🏽‍🚒🇨🇭", "🇨🇭👩🏽‍🚒 og"),
        ("line\r\nbreak", "kaerb\r\nenil"),
    ],
)
def test_clusters_survive_their_reversal(text: str, reversed_text: str):
    assert reverse_text(ReverseText(text=text)) == reversed_text


@given(st.lists(st.sampled_from(CLUSTERS)))
def test_reversing_twice_gives_the_text_back(clusters: list[str]):
    # Given clusters that do not join their neighbours
    text = "".join(clusters)

    # When
    once = reverse_text(ReverseText(text=text))
    twice = reverse_text(ReverseText(text=once))

    # Then
    assert once == "".join(reversed(clusters))
    assert twice == text


@given(st.text())
def test_any_text_keeps_its_code_points(text: str):
    # What is reversed may join anew, as a lone accent finds a letter, but nothing appears or is lost.
    once = reverse_text(ReverseText(text=text))
    assert Counter(once) == Counter(text)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("What a wonderful, great day! I love it.", "positive"),
        ("This is horrible and I hate it.", "negative"),
        ("The meeting is at ten.", "neutral"),
        ("", "neutral"),
        (" \n\0\t", "neutral"),
    ],
)
def test_sentiment_labels_by_the_compound_score(text: str, label: str):
    result = sentiment(Sentiment(text=text))
    assert set(result) == {"label", "compound", "pos", "neu", "neg"}
    assert result["label"] == label
    assert -1 <= result["compound"] <= 1


def test_sentiment_may_run_in_many_threads_at_once():
    texts = ["good", "bad", "good"] * 10
    with ThreadPoolExecutor(8) as pool:
        labels = [result["label"] for result in pool.map(lambda text: sentiment(Sentiment(text=text)), texts)]
    assert labels == ["positive", "negative", "positive"] * 10


@pytest.mark.parametrize(("params", "limit"), [(ReverseText, 100_000), (Sentiment, 10_000)])
def test_a_text_beyond_the_bound_is_refused(params: type, limit: int):
    assert convert({"text": "a" * limit}, params)
    with pytest.raises(ValidationFailed):
        convert({"text": "a" * (limit + 1)}, params)
