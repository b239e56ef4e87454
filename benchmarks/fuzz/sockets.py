"""Bytes on the server's socket that are not, or not quite, HTTP/2."""

from __future__ import annotations

import contextlib
import socket
import struct
from random import Random

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_READ_SECONDS = 0.05


def wild_bytes(random: Random) -> bytes:
    """Return what to write to a new connection."""
    match random.randrange(7):
        case 0:
            return random.randbytes(random.choice((1, 24, 1000, 20_000)))
        case 1:
            return PREFACE[: random.randrange(len(PREFACE))]
        case 2:
            return b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * random.choice((1, 1000)) + b"\r\n"
        case 3:
            return PREFACE + _SETTINGS + random.randbytes(random.choice((9, 100, 5000)))
        case 4:
            frames = b"".join(_frame(random) for _ in range(random.choice((1, 5, 100))))
            return PREFACE + _SETTINGS + frames
        case 5:  # a flood of pings
            return PREFACE + _SETTINGS + (b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + bytes(8)) * 200
        case _:  # streams opened and reset at once
            opened = b"".join(
                _raw_frame(1, 4, 2 * number + 1, b"\x82\x86\x84\x41\x01a")
                + _raw_frame(3, 0, 2 * number + 1, bytes(4))
                for number in range(100)
            )
            return PREFACE + _SETTINGS + opened


def send(target: str, data: bytes) -> None:
    """Write bytes to a new connection, read what comes for a moment, and hang up."""
    host, _, port = target.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 5) as connection:
        connection.settimeout(_READ_SECONDS)
        connection.sendall(data)
        while connection.recv(65_536):
            pass


def _frame(random: Random) -> bytes:
    """Return an HTTP/2 frame (RFC 9113, section 4.1) of any kind, which may lie about its length."""
    payload = random.randbytes(random.choice((0, 1, 4, 5, 8, 100)))
    length = len(payload) if random.random() < 0.8 else random.choice((0, 1, 2**14 + 1, 2**24 - 1))
    kind, flags = random.choice((*range(11), 255)), random.randrange(256)
    stream = random.choice((0, 1, 2, 3, 2**31 - 1))
    return struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _raw_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
