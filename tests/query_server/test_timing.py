"""Who listens hears every stage as it ends, also of work that fails."""

from __future__ import annotations

import pytest

from query_server import timing


def test_the_listener_hears_each_run_with_the_engines_part():
    heard = []
    token = timing.LISTENER.set(heard.append)
    clock = timing.StageClock()
    for _ in range(2):
        with clock.stage("search"), timing.engine():
            pass
    with pytest.raises(ZeroDivisionError), clock.stage("score"):
        _ = 1 / 0
    with timing.reported("commit"):
        pass
    timing.LISTENER.reset(token)
    assert [run.stage for run in heard] == ["search", "search", "score", "commit"]
    assert heard[0].started <= heard[0].ended <= heard[1].started
    assert 0 < heard[0].engine_seconds <= heard[0].ended - heard[0].started
    searches = next(timing for timing in clock.timings() if timing.stage == "search")
    assert searches.seconds == pytest.approx(sum(run.ended - run.started for run in heard[:2]))


def test_without_a_listener_stages_are_timed_all_the_same():
    clock = timing.StageClock()
    with clock.stage("search"):
        pass
    assert [timing.stage for timing in clock.timings()] == ["search"]
