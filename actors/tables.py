"""Lines, words, rows and columns of a text that is read once and never held whole; no task, see files.py."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from callboard import log

#: Characters of one line, or of one row of CSV, held in memory; what is longer is no table.
_MAX_LINE: Final = 1024 * 1024
#: Of a header: columns, and characters of each.
_MAX_HEADER: Final = 100
_MAX_CELL: Final = 100
_DELIMITERS: Final = ",;\t|"


class NotText(Exception):
    """A NUL: decodable, but no text."""


def measure_text(text: io.TextIOWrapper, sample: str, name: str | None) -> dict[str, Any]:
    """Return `lines`, `words` and, for CSV, `delimiter`, `rows`, `columns`, `ragged_rows` and `header`.

    Args:
        text: all of it, with line breaks as they are; it is read to its end.
        sample: how it begins, to find the delimiter by.
        name: the file's name; CSV is known by its ending, or without any name by its looks.

    Raises NotText, and UnicodeError as `text` does.
    """
    counts = Counter(lines=0, words=0)
    lines = _lines(text, counts)
    table: dict[str, Any] = {}
    delimiter = _delimiter(sample, guess=name is None)
    if delimiter and (name is None or name.lower().endswith((".csv", ".tsv", ".tab"))):
        try:
            table = {"delimiter": delimiter, **_table(lines, delimiter)}
        except csv.Error as error:
            log.warning("not readable as a table: %s", error)
    for _ in lines:  # all of them, or those a broken table has left
        pass
    return {**counts, **table}


def _lines(text: io.TextIOWrapper, counts: Counter[str]) -> Iterator[str]:
    """Yield the lines, those longer than _MAX_LINE in pieces, and count them and their words."""
    before = "\n"
    while piece := text.readline(_MAX_LINE):
        if "\0" in piece:
            raise NotText
        cut_in_crlf = before.endswith("\r") and piece == "\n"
        counts["lines"] += before.endswith(("\r", "\n")) and not cut_in_crlf
        cut_in_word = not before[-1].isspace() and not piece[0].isspace()
        counts["words"] += len(piece.split()) - cut_in_word
        before = piece
        yield piece


def _table(lines: Iterator[str], delimiter: str) -> dict[str, Any]:
    """Count rows as the csv module reads them; raises csv.Error."""
    row_chars = 0

    def bounded() -> Iterator[str]:
        nonlocal row_chars
        for line in lines:
            row_chars += len(line)
            if row_chars >= _MAX_LINE:  # a quote that is never closed would collect the whole file
                raise csv.Error(f"a row is longer than {_MAX_LINE:,} characters")
            yield line

    rows = ragged = columns = 0
    header: list[str] | None = None
    for cells in csv.reader(bounded(), delimiter=delimiter):
        row_chars = 0
        if not cells:  # an empty line
            continue
        if not columns:
            columns = len(cells)
            if not all(_is_number(cell) for cell in cells):
                header = [cell[:_MAX_CELL] for cell in cells[:_MAX_HEADER]]
                continue
        rows += 1
        ragged += len(cells) != columns
    return {"rows": rows, "columns": columns, "ragged_rows": ragged, "header": header}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _delimiter(sample: str, *, guess: bool) -> str | None:
    """Return the delimiter by which most rows have the same number of columns.

    With `guess`, for a file without a name, None unless all of at least two rows agree on two or more.
    """
    whole_lines = sample[: sample.rfind("\n") + 1] or sample

    def agreement(delimiter: str) -> tuple[float, int]:
        try:
            widths = Counter(map(len, csv.reader(io.StringIO(whole_lines, newline=""), delimiter=delimiter)))
        except csv.Error:
            return 0.0, 0
        del widths[0]
        width, count = max(widths.items(), key=lambda item: item[1], default=(0, 0))
        return (count / widths.total(), count) if width > 1 else (0.0, count)

    best = max(_DELIMITERS, key=agreement)
    share, count = agreement(best)
    return best if not guess or (share == 1 and count > 1) else None
