"""Tasks on a piece of text: the shortest examples. A task is a Params class and a function."""

import threading
from functools import cache
from typing import Annotated, Any, Final

from msgspec import Meta

from callboard import Params, task

#: VADER's usual thresholds for the label (README of vaderSentiment, "About the Scoring").
_POSITIVE: Final = 0.05
_NEGATIVE: Final = -0.05

_LOADING: Final = threading.Lock()


class ReverseText(Params):
    """What `reverse_text` takes."""

    text: Annotated[str, Meta(max_length=100_000, description="Any text.", examples=["stressed"])]


@task("reverse_text", time_limit=60)
def reverse_text(params: ReverseText) -> str:
    """Reverse a text, keeping grapheme clusters whole: emoji, flags and accents survive."""
    import regex

    # \X is one extended grapheme cluster (Unicode Standard Annex 29), what a reader calls a character.
    return "".join(reversed(regex.findall(r"\X", params.text)))


class Sentiment(Params):
    """What `sentiment` takes."""

    # VADER's time grows with the square of the length: 10,000 emoji, the worst case, take some 20 s.
    text: Annotated[
        str,
        Meta(max_length=10_000, description="English text.", examples=["The new board is wonderful!"]),
    ]


@task("sentiment", time_limit=120)
def sentiment(params: Sentiment) -> dict[str, Any]:
    """Tell how positive or negative an English text is, by VADER.

    `label` is positive, neutral or negative; `compound` is -1 to 1, `pos`, `neu` and `neg` are shares.
    """
    scores: dict[str, float] = _analyzer().polarity_scores(params.text)
    compound = scores["compound"]
    label = "positive" if compound >= _POSITIVE else "negative" if compound <= _NEGATIVE else "neutral"
    return {"label": label, **{name: scores[name] for name in ("compound", "pos", "neu", "neg")}}


def _analyzer() -> Any:
    with _LOADING:  # `cache` alone would let two threads load the lexicon at once
        return _load_analyzer()


@cache
def _load_analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
