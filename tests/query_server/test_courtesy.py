import threading

import pytest

from query_server.courtesy import Courtesy


def nothing() -> None:
    pass


def test_work_waits_until_no_request_is_under_way() -> None:
    courtesy = Courtesy(patience_seconds=60)
    went = threading.Event()

    def work() -> None:
        courtesy.give_way(nothing)
        went.set()

    with courtesy.interactive(), courtesy.interactive():
        thread = threading.Thread(target=work)
        thread.start()
        assert not went.wait(0.2)
    assert went.wait(30)
    thread.join()


def test_steady_requests_do_not_starve_it() -> None:
    courtesy = Courtesy(patience_seconds=0.1)
    thread = threading.Thread(target=courtesy.give_way, args=(nothing,), daemon=True)
    with courtesy.interactive():
        thread.start()
        thread.join(30)
        assert not thread.is_alive()


def test_whoever_waits_can_be_told_to_stop() -> None:
    class StoppedError(Exception):
        pass

    def stop() -> None:
        raise StoppedError

    courtesy = Courtesy()
    with courtesy.interactive(), pytest.raises(StoppedError):
        courtesy.give_way(stop)
