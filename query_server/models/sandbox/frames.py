"""Messages between the server and a worker: a JSON header and raw arrays, nothing that could run when it is read.

A frame is ``magic | header length (u32) | payload length (u64) | header | payload``, little-endian. The header is a
JSON object; its key "arrays" lists name, dtype and shape of the arrays whose bytes make the payload, in order. The
server takes from a worker only arrays it expects, of the shapes it expects, and no byte more: a worker that ran
somebody's model is trusted with nothing.
"""

from __future__ import annotations

import json
import math
import select
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
#: Of each array that a reply may have: dtype and shape.
Expected = Mapping[str, tuple[str, tuple[int, ...]]]

_PREFIX = struct.Struct("<4sIQ")
_MAGIC = b"DWS1"
_TICK_MILLISECONDS = 50
_PART = 2**20
MAX_HEADER_BYTES = 2**18
DTYPES = frozenset({"float32", "int64", "uint8"})


class FrameError(Exception):
    """The other end sent what it must not, or is gone."""


class Channel:
    """One end of the connection; one thread at a time.

    Args:
        connection: A connected stream socket, which is owned from now on.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._poll = select.poll()

    def send(self, header: Mapping[str, Any], arrays: Arrays, *, tick: Callable[[], None]) -> None:
        """Send one frame.

        Args:
            header: What JSON can hold.
            arrays: Of the dtypes in ``DTYPES``.
            tick: Called at least every 50 ms; what it raises ends the sending, and with it the channel's use.

        Raises:
            FrameError: The other end is gone.
        """
        listed, parts = [], []
        for name, array in arrays.items():
            flat = np.ascontiguousarray(array)
            listed.append([name, str(flat.dtype), list(flat.shape)])
            parts.append(flat.reshape(-1).view(np.uint8).data)
        head = json.dumps({**header, "arrays": listed}).encode()
        size = sum(len(part) for part in parts)
        for part in (memoryview(_PREFIX.pack(_MAGIC, len(head), size) + head), *parts):
            self._send(part, tick)

    def receive(
        self, *, tick: Callable[[], None], expected: Expected | None = None
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Receive one frame.

        Args:
            tick: As in ``send``.
            expected: Arrays the frame may have; a frame has all of them or none. None takes whatever comes, and is for
                a worker that reads from its server.

        Raises:
            FrameError: The other end is gone or sent something else.
        """
        magic, head_size, size = _PREFIX.unpack(bytes(self._receive(_PREFIX.size, tick)))
        if magic != _MAGIC or head_size > MAX_HEADER_BYTES:
            raise FrameError("not a frame")
        try:
            header = json.loads(bytes(self._receive(head_size, tick)))
            listed = {
                str(name): (str(dtype), tuple(map(int, shape))) for name, dtype, shape in header["arrays"]
            }
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            raise FrameError(f"not a header: {error}") from None
        if not isinstance(header, dict):
            raise FrameError("not a header")
        if expected is not None and listed and listed != dict(expected):
            raise FrameError(f"it sent {listed}, not {dict(expected)}")
        if any(dtype not in DTYPES for dtype, _ in listed.values()):
            raise FrameError("it sent arrays of other types")
        sizes = [np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in listed.values()]
        if sum(sizes) != size:
            raise FrameError(f"it sent {size} bytes of {sum(sizes)}")
        arrays = {
            name: np.frombuffer(self._receive(count, tick), dtype).reshape(shape)
            for (name, (dtype, shape)), count in zip(listed.items(), sizes, strict=True)
        }
        return header, arrays

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _send(self, data: memoryview, tick: Callable[[], None]) -> None:
        sent = 0
        while sent < len(data):
            try:
                sent += self._socket.send(data[sent : sent + _PART])
            except BlockingIOError:
                self._wait(select.POLLOUT, tick)
            except OSError as error:
                raise FrameError(f"the other end is gone: {error}") from None

    def _receive(self, size: int, tick: Callable[[], None]) -> bytearray:
        data = bytearray(size)
        view, done = memoryview(data), 0
        while done < size:
            try:
                count = self._socket.recv_into(view[done:])
            except BlockingIOError:
                self._wait(select.POLLIN, tick)
                continue
            except OSError as error:
                raise FrameError(f"the other end is gone: {error}") from None
            if count == 0:
                raise FrameError("the other end is gone")
            done += count
        return data

    def _wait(self, event: int, tick: Callable[[], None]) -> None:
        self._poll.register(self._socket, event)
        while not self._poll.poll(_TICK_MILLISECONDS):
            tick()
        tick()
