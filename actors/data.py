"""Summary statistics of a text, of numbers or of records: validation across types, and work in chunks."""

import io
import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta

from callboard import Invalid, Params, progress, task

T = TypeVar("T")
Number = int | float

#: Items between two reports of progress; a cancelled task ends at the next report.
_CHUNK: Final = 10_000
_MAX_FIELDS: Final = 200
_TOP: Final = 10
#: Characters shown of a word or value among the most common ones.
_SHOWN: Final = 100
_WORD: Final = re.compile(r"\w+(?:['\u2019-]\w+)*")  # both apostrophes, and hyphens
_TYPES: Final[dict[type, str]] = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "text",
    list: "list",
    dict: "object",
    type(None): "null",
}


class Data(Params):
    """What `data_processing` takes."""

    data: Annotated[
        Annotated[str, Meta(max_length=1_000_000)]
        | Annotated[list[int | float | dict[str, Any]], Meta(min_length=1, max_length=100_000)],
        Meta(
            description="A text, or a list of numbers, or a list of records (objects); not a mix of these.",
            examples=[[3, 1, 4, 1, 5, 9, 2.5]],
        ),
    ]

    def __post_init__(self) -> None:
        """Refuse mixed lists and numbers no double can hold."""
        if isinstance(self.data, str):
            return
        if not self.data:
            raise Invalid("data", "is empty; send at least one number or record")
        records = isinstance(self.data[0], dict)
        fields: set[str] = set()
        for index, item in enumerate(self.data):
            if isinstance(item, dict) != records:
                raise Invalid("data", f"mixes numbers and records; item {index} is unlike the first")
            if isinstance(item, dict):
                fields.update(item)
            for value in item.values() if isinstance(item, dict) else [item]:
                if _is_number(value) and _double(value) is None:
                    raise Invalid("data", f"item {index} has a number beyond ±1.8e308, a double's range")
        if len(fields) > _MAX_FIELDS:
            raise Invalid("data", f"has {len(fields):,} different fields; {_MAX_FIELDS} are the most")


@task("data_processing", queue="data", time_limit=300)
def data_processing(params: Data) -> dict[str, Any]:
    """Summarise a text (characters, words, lines), numbers (mean, quartiles, …) or records (by field).

    A statistic is null where there is none, such as the deviation of one number, or where no double holds it.
    """
    progress(0.0, stage="PROCESSING")
    if isinstance(params.data, str):
        return {"kind": "text", **_text(params.data)}
    records = [item for item in params.data if isinstance(item, dict)]
    if records:
        return {"kind": "records", **_records(records)}
    return {"kind": "numbers", **_numbers([item for item in params.data if not isinstance(item, dict)])}


def _watched(items: Sequence[T]) -> Iterator[T]:
    """Yield the items, reporting progress after each chunk."""
    for start in range(0, len(items), _CHUNK):
        yield from items[start : start + _CHUNK]
        progress(min(1.0, (start + _CHUNK) / len(items)))


def _text(text: str) -> dict[str, Any]:
    lines = list(io.StringIO(text, newline=None))
    words: Counter[str] = Counter()
    for line in _watched(lines):
        words.update(word.casefold() for word in _WORD.findall(line))
    return {
        "characters": len(text),
        "lines": len(lines),
        "words": words.total(),
        "unique_words": len(words),
        "top_words": _top(words),
    }


def _numbers(values: Sequence[Number]) -> dict[str, Any]:
    # Fractions are exact: no order of the numbers and no cancellation changes the result.
    mean: Fraction = statistics.mean(Fraction(value) for value in _watched(values))
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "min": _double(ordered[0]),
        "max": _double(ordered[-1]),
        "sum": _double(mean * len(ordered)),
        "mean": _double(mean),
        "median": _quantile(ordered, Fraction(1, 2)),
        "stdev": _stdev(ordered),
        "quartiles": [_quantile(ordered, Fraction(part, 4)) for part in (1, 2, 3)],
    }


@dataclass
class _Field:
    """What was seen of one field."""

    types: Counter[str] = field(default_factory=Counter)
    numbers: list[Number] = field(default_factory=list)
    texts: Counter[str] = field(default_factory=Counter)

    def add(self, value: Any) -> None:
        self.types[_TYPES.get(type(value), "other")] += 1
        if _is_number(value):
            self.numbers.append(value)
        elif isinstance(value, str):
            self.texts[value] += 1

    def summary(self, records: int) -> dict[str, Any]:
        present = self.types.total()
        found: dict[str, Any] = {"present": present, "missing": records - present, "types": dict(self.types)}
        if self.numbers:
            found["numbers"] = _numbers(self.numbers)
        if self.texts:
            found["unique_texts"] = len(self.texts)
            found["top_texts"] = _top(self.texts)
        return found


def _records(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    fields: defaultdict[str, _Field] = defaultdict(_Field)
    for record in _watched(records):
        for name, value in record.items():
            fields[name].add(value)
    return {
        "count": len(records),
        "fields": {name: each.summary(len(records)) for name, each in fields.items()},
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _double(value: Number | Fraction) -> Number | None:
    """Return a number every JSON reader takes: whole up to 2^53, else a double; None beyond a double."""
    if isinstance(value, int) and abs(value) <= 2**53:
        return value
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _quantile(ordered: Sequence[Number], share: Fraction) -> Number | None:
    """Interpolate between the two nearest values, the smallest being at 0 and the largest at 1."""
    below, weight = divmod(share * (len(ordered) - 1), 1)
    low = Fraction(ordered[below])
    return _double(low + (Fraction(ordered[min(below + 1, len(ordered) - 1)]) - low) * weight)


def _stdev(values: Sequence[Number]) -> Number | None:
    try:
        return _double(statistics.stdev(values)) if len(values) > 1 else None
    except OverflowError:
        return None


def _top(counts: Counter[str]) -> list[dict[str, Any]]:
    return [{"text": text[:_SHOWN], "count": count} for text, count in counts.most_common(_TOP)]
