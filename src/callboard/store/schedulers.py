"""Which schedulers live, and when one of them last looked for due schedules. Pure Calls."""

from dataclasses import dataclass
from typing import Final

from callboard.store.keys import Keys
from callboard.store.scripts import Call, script, text

#: Seconds a scheduler that died stays listed, so that it can be said since when there is none.
SEEN_S: Final = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Schedulers:
    """Times in milliseconds since the epoch, all by Redis's clock, as is `now`."""

    now: int
    #: When due schedules were last looked for, by whichever scheduler; None: never.
    last_tick: int | None
    #: The last heartbeat of each scheduler that has not stopped in good order.
    beats: dict[str, int]


def beat(keys: Keys, scheduler: str) -> Call[str]:
    """Say that a scheduler lives; it does so every few seconds."""
    return Call(text, [keys.prefix, "beat", scheduler, SEEN_S * 1000], script("schedulers"))


def ticked(keys: Keys) -> Call[str]:
    """Say that due schedules have been looked for."""
    return Call(text, [keys.prefix, "ticked"], script("schedulers"))


def gone(keys: Keys, scheduler: str) -> Call[str]:
    """Take a scheduler that stopped off the list."""
    return Call(text, [keys.prefix, "gone", scheduler], script("schedulers"))


def seen(keys: Keys) -> Call[Schedulers]:
    """Read what is known of them."""

    def decode(answer: list[bytes]) -> Schedulers:
        now, tick, *flat = [text(each) for each in answer]
        beats = {name: int(float(at)) for name, at in zip(flat[::2], flat[1::2], strict=True)}
        return Schedulers(int(now), int(tick) if tick else None, beats)

    return Call(decode, [keys.prefix, "seen"], script("schedulers"))
