"""Asks a server's metrics port."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request

# urlopen's own reads the proxies of the environment when it is first used, whoever set them then.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port: int, path: str) -> tuple[int, str]:
    """Return (status, body) of a path."""
    try:
        with _DIRECT.open(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_until_working(port: int) -> None:
    """Return once a call is being worked on: told by the server, as no pause is long enough everywhere."""
    give_up = time.monotonic() + 120
    while "dowser_work_running 1.0" not in fetch(port, "/metrics")[1]:
        assert time.monotonic() < give_up, "no call was worked on"
        time.sleep(0.01)
