"""From a raw sample to a model's input and back: x = raw * scale + offset, axes moved to [C, H, W].

The trainer decides it once, the bundle's manifest carries it, and the server applies it to every pool sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from samples.errors import SampleError
from samples.sources import CHANNELS

if TYPE_CHECKING:
    from dowser.v1 import bundle_pb2

Layout = Literal["hw", "hwc", "chw", "vector"]
_RANK: dict[str, int] = {"hw": 2, "hwc": 3, "chw": 3, "vector": 1}
_RAW_DTYPES = ("uint8", "float32")


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How raw samples of one pool become model inputs.

    Attributes:
        layout: how the raw axes are meant.
        raw_dtype: "uint8" or "float32".
        raw_shape: of one raw sample, without N.
        scale: factor on raw values; not zero.
        offset: added after scaling.

    Raises:
        SampleError: if the fields contradict each other.
    """

    layout: Layout
    raw_dtype: str
    raw_shape: tuple[int, ...]
    scale: float
    offset: float

    def __post_init__(self) -> None:
        if self.layout not in get_args(Layout):
            raise SampleError(f"layout must be one of {get_args(Layout)}, got {self.layout!r}")
        if self.raw_dtype not in _RAW_DTYPES:
            raise SampleError(f"raw_dtype must be one of {_RAW_DTYPES}, got {self.raw_dtype!r}")
        if len(self.raw_shape) != _RANK[self.layout] or min(self.raw_shape) < 1:
            raise SampleError(f"raw_shape {self.raw_shape} does not fit layout {self.layout!r}")
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)) or self.scale == 0:
            raise SampleError(
                f"scale and offset must be finite and scale not 0, got {self.scale} and {self.offset}"
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of x without the batch: (C, H, W) or (F,)."""
        if self.layout == "hw":
            return (1, *self.raw_shape)
        if self.layout == "hwc":
            return (self.raw_shape[2], self.raw_shape[0], self.raw_shape[1])
        return self.raw_shape

    def to_input(self, raw: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return x float32 [n, *input_shape], contiguous, of raw [n, *raw_shape].

        Raises:
            SampleError: if `raw` has another shape.
        """
        if raw.shape[1:] != self.raw_shape or raw.ndim == 0:
            raise SampleError(f"raw samples must be [n, {_sizes(self.raw_shape)}], got {raw.shape}")
        x = raw.astype(np.float32)
        if self.layout == "hwc":
            x = x.transpose(0, 3, 1, 2)  # [n, H, W, C] -> [n, C, H, W]
        x = np.ascontiguousarray(x).reshape(len(raw), *self.input_shape)
        if self.scale != 1:
            x *= np.float32(self.scale)
        if self.offset != 0:
            x += np.float32(self.offset)
        return x

    def to_raw(self, x: NDArray[np.generic]) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Return raw [n, *raw_shape] of x [n, *input_shape]: the inverse, rounded and clipped for uint8.

        Raises:
            SampleError: if `x` has another shape.
        """
        if x.shape[1:] != self.input_shape or x.ndim == 0:
            raise SampleError(f"inputs must be [n, {_sizes(self.input_shape)}], got {x.shape}")
        raw = (x.astype(np.float32) - np.float32(self.offset)) / np.float32(self.scale)
        if self.layout == "hwc":
            raw = raw.transpose(0, 2, 3, 1)  # [n, C, H, W] -> [n, H, W, C]
        raw = np.ascontiguousarray(raw).reshape(len(x), *self.raw_shape)
        return np.clip(np.rint(raw), 0, 255).astype(np.uint8) if self.raw_dtype == "uint8" else raw

    @classmethod
    def infer(
        cls,
        raw_shape: tuple[int, ...],
        dtype: np.dtype | type | str,
        value_range: tuple[float, float] | None = None,
    ) -> Preprocessing:
        """Choose the preprocessing of a pool: images to [-1, 1], vectors unchanged.

        Args:
            raw_shape: of one raw sample: (H, W), (H, W, C), (C, H, W) or (F,).
            dtype: uint8 or float32.
            value_range: smallest and largest value of the pool; needed for float images. Values within
                [0, 1] or [-1, 1] are taken to mean those ranges, any other range is stretched to [-1, 1].

        Raises:
            SampleError: if the shape is no sample's, or a float image's range is missing or empty.
        """
        layout = _layout_of(raw_shape)
        raw_dtype = np.dtype(dtype).name
        scale, offset = 1.0, 0.0
        if layout != "vector":
            scale, offset = (2 / 255, -1.0) if raw_dtype == "uint8" else _scale_of(value_range)
        return cls(layout=layout, raw_dtype=raw_dtype, raw_shape=tuple(raw_shape), scale=scale, offset=offset)

    def to_proto(self) -> bundle_pb2.Preprocessing:
        """Return the manifest's message."""
        from dowser.v1 import bundle_pb2

        return bundle_pb2.Preprocessing(
            layout=f"SAMPLE_LAYOUT_{self.layout.upper()}",
            raw_dtype=f"DTYPE_{self.raw_dtype.upper()}",
            raw_shape=self.raw_shape,
            scale=self.scale,
            offset=self.offset,
        )

    @classmethod
    def from_proto(cls, message: bundle_pb2.Preprocessing) -> Preprocessing:
        """Read the manifest's message; scale and offset come back as float32 values.

        Raises:
            SampleError: if the message is not a valid preprocessing.
        """
        from dowser.v1 import bundle_pb2, tensors_pb2

        layouts: dict[int, Layout] = {
            bundle_pb2.SAMPLE_LAYOUT_HW: "hw",
            bundle_pb2.SAMPLE_LAYOUT_HWC: "hwc",
            bundle_pb2.SAMPLE_LAYOUT_CHW: "chw",
            bundle_pb2.SAMPLE_LAYOUT_VECTOR: "vector",
        }
        dtypes: dict[int, str] = {tensors_pb2.DTYPE_UINT8: "uint8", tensors_pb2.DTYPE_FLOAT32: "float32"}
        if message.layout not in layouts or message.raw_dtype not in dtypes or not message.raw_shape:
            raise SampleError(
                "preprocessing needs a layout, a raw_dtype of uint8 or float32 and a raw_shape, "
                f"got {message!r}"
            )
        return cls(
            layout=layouts[message.layout],
            raw_dtype=dtypes[message.raw_dtype],
            raw_shape=tuple(message.raw_shape),
            scale=message.scale,
            offset=message.offset,
        )


def _layout_of(raw_shape: tuple[int, ...]) -> Layout:
    if len(raw_shape) == 1:
        return "vector"
    if len(raw_shape) == 2:
        return "hw"
    if len(raw_shape) == 3 and raw_shape[2] in CHANNELS:
        return "hwc"
    if len(raw_shape) == 3 and raw_shape[0] in CHANNELS:
        return "chw"
    raise SampleError(f"samples of shape {raw_shape} are neither images with 1 or 3 channels nor vectors")


def _scale_of(value_range: tuple[float, float] | None) -> tuple[float, float]:
    if value_range is None:
        raise SampleError("float images need value_range=(smallest, largest)")
    low, high = value_range
    if not (math.isfinite(low) and math.isfinite(high)) or low >= high:
        raise SampleError(f"value_range must be finite with smallest < largest, got {value_range}")
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= -1 and high <= 1:
        low, high = -1.0, 1.0
    return 2 / (high - low), -(high + low) / (high - low)


def _sizes(shape: tuple[int, ...]) -> str:
    return ", ".join(str(size) for size in shape)
