"""When a Redis in doubt is asked again."""

from callboard.store.doubt import PROBE_EVERY_S, Doubt


def test_without_doubt_everybody_is_admitted() -> None:
    doubt = Doubt()
    assert all(doubt.admits(0.0, under_way=under_way) for under_way in (True, False))


def test_in_doubt_one_at_a_time_finds_out() -> None:
    doubt = Doubt()
    doubt.arise("Redis is silent")
    assert doubt.reason == "Redis is silent"
    assert not doubt.admits(10.0, under_way=True)
    assert doubt.admits(10.0, under_way=False)
    assert not doubt.admits(10.0, under_way=True)


def test_a_port_that_refuses_at_once_is_not_asked_without_pause() -> None:
    doubt = Doubt()
    doubt.arise("refused")
    assert doubt.admits(10.0, under_way=False)
    assert not doubt.admits(10.0 + PROBE_EVERY_S / 2, under_way=False)
    assert doubt.admits(10.0 + PROBE_EVERY_S * 1.01, under_way=False)


def test_an_answer_ends_the_doubt() -> None:
    doubt = Doubt()
    doubt.arise("refused")
    assert doubt.admits(10.0, under_way=False)
    doubt.end()
    assert doubt.admits(10.0, under_way=True)
