"""The one kind of failure that is told to the operator, as one line."""

import sys
from collections.abc import Sequence


class Trouble(Exception):
    """Something the operator can mend; its text is one line that names the thing and the way out.

    `shown`: lines that explain it, such as the end of a log; they are told before it.
    """

    def __init__(self, text: str, shown: Sequence[str] = ()) -> None:
        super().__init__(text)
        self._shown = list(shown)
        self._told = False

    def tell(self) -> None:
        """Write it to stderr, once."""
        if not self._told:
            self._told = True
            print(*self._shown, f"callboard: {self}", sep="\n", file=sys.stderr, flush=True)
