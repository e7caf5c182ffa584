"""Time zones by their IANA names, with what was probably meant when there is none of a name."""

import difflib
import functools
import zoneinfo
from typing import Final

#: In the database, but no place's time.
_NOT_OFFERED: Final = frozenset({"Factory", "localtime"})
_SUGGESTED: Final = 3


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names of all zones, sorted; read once per process."""
    return tuple(sorted(zoneinfo.available_timezones() - _NOT_OFFERED))


def zone(name: str) -> zoneinfo.ZoneInfo:
    """Return a zone; raises ValueError with near matches when there is none of that name."""
    if name not in names():
        near = _near(name)
        advice = f"did you mean {' or '.join(near)}?" if near else "use an IANA name such as Europe/Berlin"
        raise ValueError(f"{name[:60]!r} is no time zone; {advice}")
    return zoneinfo.ZoneInfo(name)


def _near(name: str) -> list[str]:
    wanted = name.strip().replace(" ", "_").lower()[:60]
    known = {each.lower(): each for each in names()}
    if wanted in known:
        return [known[wanted]]
    places = [each for low, each in known.items() if low.rpartition("/")[2] == wanted]
    close = difflib.get_close_matches(wanted, known, _SUGGESTED, 0.7)
    by_place = {low.rpartition("/")[2]: each for low, each in known.items() if "/" in low}
    alike = difflib.get_close_matches(wanted.rpartition("/")[2], by_place, _SUGGESTED, 0.75)
    found = [*places, *(known[each] for each in close), *(by_place[each] for each in alike)]
    return list(dict.fromkeys(found))[:_SUGGESTED]
