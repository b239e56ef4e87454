"""Frames: what the other end may send, and what it may not."""

from __future__ import annotations

import json
import pickle
import socket
import struct
import threading

import numpy as np
import pytest

from query_server.models.sandbox.frames import Channel, FrameError

EXPECTED = {"scores": ("float32", (3,))}


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def frame(header: object, payload: bytes = b"", magic: bytes = b"DWS1", size: int | None = None) -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<4sIQ", magic, len(head), len(payload) if size is None else size) + head + payload


def received(ends, data: bytes):
    one, other = ends
    other.sendall(data)
    other.shutdown(socket.SHUT_WR)
    return Channel(one).receive(tick=lambda: None, expected=EXPECTED)


def test_arrays_arrive_as_they_were_sent(ends):
    one, other = (Channel(end) for end in ends)
    arrays = {
        "x": np.arange(3_000_000, dtype=np.float32).reshape(-1, 3),
        "none": np.zeros((0, 4), np.int64),
        "bytes": np.frombuffer(b"abc", np.uint8),
    }
    sender = threading.Thread(target=lambda: one.send({"job": "score"}, arrays, tick=lambda: None))
    sender.start()
    header, got = other.receive(tick=lambda: None)
    sender.join()
    assert header["job"] == "score"
    for name, array in arrays.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == array.dtype


def test_what_is_expected_is_taken(ends):
    scores = np.array([1, 2, 3], np.float32)
    header, arrays = received(
        ends, frame({"end": "done", "arrays": [["scores", "float32", [3]]]}, scores.tobytes())
    )
    assert header["end"] == "done"
    np.testing.assert_array_equal(arrays["scores"], scores)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"DWS1",
        frame({"arrays": []}, magic=b"EVIL"),
        frame({"arrays": []}, b"more than said"),
        frame({"arrays": [["scores", "float32", [4]]]}, bytes(16)),
        frame({"arrays": [["scores", "float64", [3]]]}, bytes(24)),
        frame({"arrays": [["scores", "object", [3]]]}, bytes(24)),
        frame({"arrays": [["scores", "float32", [-3]]]}, bytes(12)),
        frame({"arrays": [["scores", "float32", [3]]]}, bytes(12), size=2**60),
        frame({"arrays": [["scores", "float32", [3]]]}, bytes(5), size=12),
        frame({"arrays": [["scores", "float32", [3]], ["more", "uint8", [1]]]}, bytes(13)),
        frame({"arrays": 7}),
        frame({}),
        frame([1, 2]),
        frame(b"[" * 100_000),
        frame(pickle.dumps({"arrays": []})),
        struct.pack("<4sIQ", b"DWS1", 2**31, 0),
    ],
    ids=lambda data: f"{len(data)} bytes {data[16:60]!r}",
)
def test_anything_else_is_refused(ends, data):
    with pytest.raises(FrameError):
        received(ends, data)
