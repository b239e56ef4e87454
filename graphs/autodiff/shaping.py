"""Derivatives of operators that only move values: reshapes, transpositions, slices, concatenations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphs.autodiff.tape import Array, Node, Tape, only, rule, unsupported


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Reshape back."""
    return (t.reshape_like(only(cotangents, node), node.inputs[0]),)


@rule("Transpose")
def transpose(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Transpose back."""
    rank = len(t.shape(node.inputs[0], "Transpose"))
    perm = node.attrs.get("perm") or list(range(rank))[::-1]
    return (t.op("Transpose", only(cotangents, node), perm=np.argsort(perm).tolist()),)


@rule("Expand")
def expand(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Sum over the axes that were broadcast."""
    return t.unbroadcast(only(cotangents, node), node.inputs[0], node.outputs[0], "Expand"), None


@rule("Tile")
def tile(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Sum over the repetitions: view each axis as [repeats, size] and sum over repeats."""
    x = node.inputs[0]
    repeats = [int(r) for r in t.constant(node.inputs[1], "Tile")]
    dims = t.shape(x, "Tile")
    if sum(not isinstance(d, int) for d in dims) > 1:
        raise unsupported("Tile", f"more than one dimension of its input is dynamic: {dims}")
    split = [n for r, d in zip(repeats, dims, strict=True) for n in (r, d if isinstance(d, int) else -1)]
    viewed = t.op("Reshape", only(cotangents, node), t.ints(*split))
    axes = range(0, 2 * len(dims), 2)
    return t.op("ReduceSum", viewed, t.ints(*axes), keepdims=0), None


@rule("Concat")
def concat(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Split the cotangent at the seams."""
    dy = only(cotangents, node)
    axis = node.attrs["axis"] % len(t.shape(node.outputs[0], "Concat"))
    sizes = [t.shape(x, "Concat")[axis] for x in node.inputs]
    if not all(isinstance(size, int) for size in sizes):
        raise unsupported("Concat", f"it joins along a dynamic dimension: {sizes}")
    return t.ops("Split", dy, t.const(sizes, np.int64), count=len(sizes), axis=axis)


@rule("Split")
def split(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Concatenate the cotangents, zeros where nothing depends on a part."""
    parts = [c or t.zeros_like(name) for c, name in zip(cotangents, node.outputs, strict=True)]
    return t.op("Concat", *parts, axis=node.attrs.get("axis", 0)), None


@rule("Slice")
def slicing(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Put the cotangent back between zeros."""
    dy, x = only(cotangents, node), node.inputs[0]
    dims = t.shape(x, "Slice")
    starts, ends = (t.constant(node.inputs[i], "Slice").tolist() for i in (1, 2))
    axes = t.constant(node.input(3), "Slice").tolist() if node.input(3) else list(range(len(starts)))
    steps = t.constant(node.input(4), "Slice").tolist() if node.input(4) else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = dims[axis]
        if not isinstance(size, int):
            if start == 0 and step == 1 and end >= 2**31 - 1:  # the whole dynamic axis
                continue
            raise unsupported("Slice", f"it cuts the dynamic dimension {axis}")
        dy = _scatter_axis(t, dy, np.arange(size)[start:end:step], size, axis % len(dims), len(dims))
    return (dy,)


@rule("Gather")
def gather(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Add the cotangents back at the constant indices they were taken from."""
    dy, (x, where) = only(cotangents, node), node.inputs
    dims = t.shape(x, "Gather")
    axis = node.attrs.get("axis", 0) % len(dims)
    indices = t.constant(where, "Gather")
    size = dims[axis]
    if not isinstance(size, int):
        raise unsupported("Gather", f"it picks along the dynamic dimension {axis}")
    if indices.ndim == 0:
        dy = t.op("Unsqueeze", dy, t.ints(axis))
    elif indices.ndim > 1:
        raise unsupported("Gather", f"its indices have rank {indices.ndim}, at most 1 is covered")
    return _scatter_axis(t, dy, indices.reshape(-1) % size, size, axis, len(dims)), None


@rule("GatherND")
def gather_nd(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Add back at constant indices along the first axis, which is how x[:, [2, 0]] is exported."""
    dy, (x, where) = only(cotangents, node), node.inputs
    dims, indices = t.shape(x, "GatherND"), t.constant(where, "GatherND")
    if indices.ndim != 2 or indices.shape[1] != 1 or node.attrs.get("batch_dims", 0):
        raise unsupported("GatherND", f"indices of shape {list(indices.shape)} are not covered, [N, 1] are")
    if not isinstance(dims[0], int):
        raise unsupported("GatherND", "it picks along a dynamic dimension")
    return _scatter_axis(t, dy, indices[:, 0] % dims[0], dims[0], 0, len(dims)), None


def _scatter_axis(t: Tape, dy: str, indices: Array, size: int, axis: int, rank: int) -> str:
    """Add slices of `dy` along `axis` into zeros of length `size` at constant indices."""
    if len(indices) == size and (indices == np.arange(size)).all():
        return dy
    if len(indices) and (np.diff(indices) == 1).all():  # a contiguous run: pad
        pads = [0] * (2 * rank)
        pads[axis], pads[rank + axis] = int(indices[0]), int(size - 1 - indices[-1])
        return t.op("Pad", dy, t.ints(*pads))
    # Otherwise a product with the 0/1 matrix that puts row i at indices[i]: exact, also for repeated indices.
    place = np.zeros((len(indices), size), np.float32)
    place[np.arange(len(indices)), indices] = 1
    return apply_along(t, dy, place, axis, rank)


def apply_along(t: Tape, value: str, matrix: Array, axis: int, rank: int) -> str:
    """Multiply the vectors along one axis by a constant matrix [size_in, size_out]."""
    constant = t.const(matrix)
    if axis == rank - 1:
        return t.op("MatMul", value, constant)
    if axis == rank - 2:
        return t.op("MatMul", t.const(matrix.T), value)
    perm = [i for i in range(rank) if i != axis] + [axis]
    product = t.op("MatMul", t.op("Transpose", value, perm=perm), constant)
    return t.op("Transpose", product, perm=np.argsort(perm).tolist())


@rule("Pad")
def pad(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Cut the padding off again (constant padding only)."""
    dy, x = only(cotangents, node), node.inputs[0]
    if node.attrs.get("mode", "constant") != "constant":
        raise unsupported("Pad", f"mode {node.attrs['mode']!r} is not covered")
    dims = t.shape(x, "Pad")
    pads = t.constant(node.inputs[1], "Pad").tolist()
    axes = t.constant(node.input(3), "Pad").tolist() if node.input(3) else list(range(len(dims)))
    count = len(axes)
    cut = [
        (axes[i] % len(dims), pads[i], pads[count + i]) for i in range(count) if pads[i] or pads[count + i]
    ]
    if not cut:
        return (dy,)
    if any(before < 0 or after < 0 for _, before, after in cut):
        raise unsupported("Pad", "negative padding is not covered")
    starts = [before for _, before, _ in cut]
    ends = [-after if after else 2**62 for _, _, after in cut]
    return (t.op("Slice", dy, t.ints(*starts), t.ints(*ends), t.ints(*(a for a, _, _ in cut))),)


@rule("DepthToSpace")
def depth_to_space(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Move the blocks back into channels; SpaceToDepth undoes the DCR order only."""
    dy, x = only(cotangents, node), node.inputs[0]
    block = node.attrs["blocksize"]
    if node.attrs.get("mode", "DCR") == "DCR":
        return (t.op("SpaceToDepth", dy, blocksize=block),)
    channels, height, width = t.sizes(x, "DepthToSpace", start=1)
    viewed = t.op("Reshape", dy, t.ints(-1, channels // block**2, height, block, width, block))
    moved = t.op("Transpose", viewed, perm=[0, 1, 3, 5, 2, 4])
    return (t.reshape_like(moved, x),)


@rule("SpaceToDepth")
def space_to_depth(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Move the channels back into blocks."""
    return (t.op("DepthToSpace", only(cotangents, node), blocksize=node.attrs["blocksize"]),)
