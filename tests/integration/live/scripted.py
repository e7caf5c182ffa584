"""Task types of the streams' tests (CALLBOARD_ACTORS names this module): they do what a test writes down."""

import logging
import threading
from pathlib import Path
from typing import Any

from callboard import Params, Permanent, log, progress, task


class Scripted(Params):
    """Steps, each a word and what belongs to it.

    say text times · grow text times (one line) · at fraction stage · stage name · steps number · level name
    malformed · rest seconds · open path (wait until it exists) · fail message
    """

    script: list[list[Any]]


@task("scripted", time_limit=120)
def scripted(params: Scripted) -> int:
    """Do the steps in turn."""
    for word, *rest in params.script:
        if word == "say":
            for number in range(rest[1]):
                log.info(rest[0].replace("#", str(number)) if rest[1] > 1 else rest[0])
        elif word == "grow":
            log.info(rest[0] * rest[1])
        elif word == "at":
            progress(rest[0], stage=rest[1])
        elif word == "stage":
            progress(stage=rest[0])
        elif word == "steps":
            for number in range(rest[0]):
                progress(number / rest[0], stage=f"step {number}")
        elif word == "rest":
            threading.Event().wait(rest[0])
        elif word == "open":
            pause = threading.Event()
            while not Path(rest[0]).exists():
                pause.wait(0.02)
        elif word == "level":
            logging.addLevelName(33, rest[0])
            log.log(33, "of a level of its own")
        elif word == "malformed":
            log.info("%d of %d", "one")
        elif word == "fail":
            raise Permanent(rest[0])
    return len(params.script)


class Quick(Params):
    """Nothing."""


@task("quick")
def quick(params: Quick) -> None:
    """Do nothing."""
