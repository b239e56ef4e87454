"""Messages of any type, right in structure and wild in values, from a random source.

The source is ``random.Random``, so that the recipe can draw quickly from a seed and hypothesis can drive and shrink the
same code (``strategies.randoms``).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.internal import encoder
from google.protobuf.message import Message

from benchmarks.fuzz.methods import Method

MAX_DEPTH = 4
STRINGS = (
    "",
    " ",
    "a",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "~/.ssh/id_rsa",
    "C:\\Windows\\system32",
    "file:///etc/passwd",
    "sha256:" + "0" * 64,
    "sha256:" + "F" * 64,
    "sha256:../../" + "0" * 58,
    "a\x00b",
    "a\nb\r\nc",
    "'; DROP TABLE campaigns; --",
    "%s%n%x",
    "{0}{name}",
    "\u202eevil",
    "\ufeff",
    "e\u0301" * 40,
    "\U0001f4a3" * 50,
    "x" * 128,
    "x" * 129,
    "x" * 10_000,
    "-1",
    "9" * 30,
    "1e309",
    "nan",
    "null",
    "\u0661\u0662",
)
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-300, 3.4e38, 1e308, math.inf, -math.inf, math.nan, 0.05)
_UNSIGNED = (0, 1, 2, 3, 7, 10, 100, 1000, 4096, 4097, 10_000, 2**16, 2**31 - 1, 2**31)
_SHAPES = ((), (0,), (1,), (1, 20), (2, 20), (1, 8, 8), (1, 1, 8, 8), (0, 1, 8, 8), (3, 0), (1,) * 40)
_UINT32 = (FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32)
_UINT64 = (FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64)
_INT32 = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32)


@dataclass(frozen=True, kw_only=True)
class Hints:
    """Values that mean something to the server, so that calls get past its first check.

    Attributes:
        strings: By field name.
        pool_size: N; ids below it are known.
    """

    strings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pool_size: int = 100


@dataclass(frozen=True, kw_only=True)
class _Mood:
    """How wild one call is: calm values get past the checks of their fields, so that the wild one is reached."""

    random: Random
    hints: Hints
    calm: float

    def is_calm(self) -> bool:
        return self.random.random() < self.calm


def wild_call(method: Method, random: Random, hints: Hints) -> list[bytes]:
    """Return the messages of one call, serialized; a unary method gets one, or rarely none or two."""
    counts = (0, 1, 2, 2, 3, 5) if method.streams_requests else (1,) * 30 + (0, 2)
    if method.path.endswith("/DeleteCampaign"):  # the others' known campaign would never be there
        hints = replace(hints, strings={**hints.strings, "campaign_id": ()})
    mood = _Mood(random=random, hints=hints, calm=random.choice((0.0, 0.0, 0.9, 0.97, 0.99)))
    parts = [_wild_bytes(method.request, mood) for _ in range(random.choice(counts))]
    if method.path.endswith("/UploadClassifier") and random.random() < 0.5:
        parts = _announced(random)
    return parts


def _wild_message(kind: Descriptor, mood: _Mood, depth: int = 0) -> Message:
    """Return a message of a type, each field set or not."""
    random, hints = mood.random, mood.hints
    message = message_factory.GetMessageClass(kind)()
    if kind.full_name == "dowser.v1.Tensor" and random.random() < 0.6:
        _fill_tensor(message, random)
        return message
    oneofs = {oneof.name: random.choice(oneof.fields).name for oneof in kind.oneofs}
    for each in kind.fields:
        if each.containing_oneof is not None and oneofs[each.containing_oneof.name] != each.name:
            continue
        if random.random() < (0.15 if each.name in hints.strings or depth == 0 else 0.4):
            continue
        _fill(message, each, mood, depth)
    return message


def _fill(message: Message, each: FieldDescriptor, mood: _Mood, depth: int) -> None:
    random = mood.random
    nested = each.message_type
    if nested is not None:
        if depth >= MAX_DEPTH:
            return
        if not each.is_repeated:
            getattr(message, each.name).CopyFrom(_wild_message(nested, mood, depth + 1))
            return
        if nested.GetOptions().map_entry:
            return
        for _ in range(random.choice((1, 2) if mood.is_calm() else (0, 1, 1, 2, 5, 40))):
            getattr(message, each.name).append(_wild_message(nested, mood, depth + 1))
    elif each.is_repeated:
        count = random.choice((0, 1, 1, 2, 5, 40) if random.random() < 0.99 else (5000, 100_001))
        if mood.is_calm():
            count = min(count, 5)
        if count > 100:
            getattr(message, each.name).extend([_scalar(each, mood)] * count)
        else:
            getattr(message, each.name).extend(_scalar(each, mood) for _ in range(count))
    else:
        setattr(message, each.name, _scalar(each, mood))


def _scalar(each: FieldDescriptor, mood: _Mood) -> Any:
    if mood.is_calm():
        return _calm(each, mood)
    random, hints = mood.random, mood.hints
    match each.type:
        case FieldDescriptor.TYPE_STRING:
            return _string(each.name, random, hints)
        case FieldDescriptor.TYPE_BYTES:
            return random.randbytes(random.choice((0, 1, 7, 256, 4096)))
        case FieldDescriptor.TYPE_BOOL:
            return random.random() < 0.5
        case FieldDescriptor.TYPE_FLOAT:
            return float(np.float32(min(max(random.choice(FLOATS), -3.4e38), 3.4e38)))
        case FieldDescriptor.TYPE_DOUBLE:
            return random.choice(FLOATS)
        case FieldDescriptor.TYPE_ENUM:
            values = _numbers(each)
            return random.choice((*values, *values, -1, 99, 2**31 - 1, -(2**31)))
    if each.name in ("pool_id", "pool_ids", "ids") and random.random() < 0.8:
        return random.randrange(hints.pool_size)
    if each.type in _UINT32:
        return random.choice((*_UNSIGNED, 2**32 - 1))
    if each.type in _UINT64:
        return random.choice((*_UNSIGNED, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1))
    if each.type in _INT32:
        return random.choice((*_UNSIGNED[:-1], -1, -(2**31)))
    return random.choice((*_UNSIGNED, -1, -(2**31), -(2**63), 2**63 - 1))


def _numbers(each: FieldDescriptor) -> list[int]:
    """Return the numbers of an enum field's values."""
    assert each.enum_type is not None  # its type says so
    return [value.number for value in each.enum_type.values]


def _calm(each: FieldDescriptor, mood: _Mood) -> Any:
    random = mood.random
    match each.type:
        case FieldDescriptor.TYPE_STRING:
            if each.name == "request_id":
                return f"{random.getrandbits(96):x}"
            return random.choice(mood.hints.strings.get(each.name) or ("", "a"))
        case FieldDescriptor.TYPE_BYTES:
            return random.randbytes(8)
        case FieldDescriptor.TYPE_BOOL:
            return random.random() < 0.5
        case FieldDescriptor.TYPE_FLOAT | FieldDescriptor.TYPE_DOUBLE:
            return random.random()
        case FieldDescriptor.TYPE_ENUM:
            return random.choice(_numbers(each))
    if each.name in ("pool_id", "pool_ids", "ids"):
        return random.randrange(mood.hints.pool_size)
    if each.name in ("min_index_version", "page_token"):
        return 0
    return random.choice((1, 2, 5, 20, 50))


def _string(name: str, random: Random, hints: Hints) -> str:
    if name == "request_id" and random.random() < 0.8:
        return f"{random.getrandbits(96):x}"
    known = hints.strings.get(name)
    if known and random.random() < 0.6:
        return random.choice(known)
    return random.choice(STRINGS)


def _fill_tensor(message: Any, random: Random) -> None:
    """Fill a tensor whose data is as long as its shape says, or nearly."""
    shape = random.choice(_SHAPES)
    message.shape.extend(shape)
    message.dtype = random.choice((1, 2, 2, 2, 3, 4))
    size = int(np.prod(shape)) * {1: 1, 2: 4, 3: 8, 4: 8}[message.dtype]
    if message.dtype == 2:
        values = [
            random.choice(FLOATS) if random.random() < 0.02 else random.random() for _ in range(size // 4)
        ]
        with np.errstate(over="ignore"):
            message.data = np.array(values, "<f4").tobytes()
    else:
        message.data = random.randbytes(size)
    if random.random() < 0.1:
        message.data = message.data[:-1]


def _wild_bytes(kind: Descriptor, mood: _Mood) -> bytes:
    random = mood.random
    data = _wild_message(kind, mood).SerializeToString()
    choice = random.random()
    if choice < 0.8 or mood.is_calm():
        return data
    if choice < 0.85:
        return data + _unknown_fields(random)
    if choice < 0.9:
        return data[: random.randrange(len(data) + 1)]
    if choice < 0.95 and data:
        at = random.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
    return random.randbytes(random.choice((1, 2, 8, 64, 1024)))


def _unknown_fields(random: Random) -> bytes:
    number = random.choice((1000, 19_000, 2**29 - 1))
    match random.randrange(4):
        case 0:
            return encoder.TagBytes(number, 0) + b"\xff" * random.choice((1, 9, 12)) + b"\x01"
        case 1:
            return encoder.TagBytes(number, 2) + b"\x80\x80\x80\x80\x08" + bytes(10)  # announces 2 GiB
        case 2:  # groups in groups
            depth = random.choice((3, 90, 200, 5000))
            return encoder.TagBytes(number, 3) * depth + encoder.TagBytes(number, 4) * depth
        case _:
            return encoder.TagBytes(number, 2) + b"\x04abcd"


def _announced(random: Random) -> list[bytes]:
    """Return an upload whose header keeps what it promises, of bytes that are no classifier."""
    from dowser.v1 import classifiers_pb2

    data = random.choice((b"", b"\x08\x07" * 50, b"not ONNX", random.randbytes(2000), b"\x0a" * 500))
    announced = classifiers_pb2.UploadClassifierHeader(
        size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    parts = [classifiers_pb2.UploadClassifierRequest(header=announced)]
    parts += [
        classifiers_pb2.UploadClassifierRequest(chunk=data[start : start + 600])
        for start in range(0, len(data), 600)
    ]
    return [part.SerializeToString() for part in parts]
