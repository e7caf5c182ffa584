"""About a minute of everything going wrong at once; `make chaos` does the same for longer.

CHAOS_SEED repeats the load and the faults of an earlier run, as far as processes can be repeated.
"""

import os
import random
import secrets
import time
from pathlib import Path

import pytest

from tests.chaos import figures
from tests.chaos.cluster import Cluster
from tests.chaos.faults import KINDS
from tests.chaos.story import storm


@pytest.mark.storm
@pytest.mark.timeout(300)
def test_nothing_accepted_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(10**6))
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {line}", flush=True)

    say(f"CHAOS_SEED={seed}, everything is in {tmp_path}")
    with Cluster(tmp_path) as cluster:
        story = storm(
            cluster, random.Random(seed), seconds=35, per_second=60, pause=(0.8, 2.0), poison_every_s=14,
            at_least=500,
            say=say,
        )  # fmt: skip
    assert story.verdict.broken() == []
    assert story.verdict.accepted >= 500
    assert story.faults.keys() == {kind.name for kind in KINDS} | {"poison"}
    assert max(figures.answers_ms(story.facts.entries)) < 15_000, "a request hung"
