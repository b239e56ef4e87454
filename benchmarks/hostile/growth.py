"""A few bytes that ask for gigabytes or for hours; some are seen in the file, some only when they run."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.hostile.making import FAILED, REJECTED, Maker, Registry, floats, ints, node

REGISTRY = Registry()
_EITHER = (REJECTED, FAILED)


@REGISTRY.add("TOO_LARGE")
def constant_of_a_giant_shape(maker: Maker) -> bytes:
    return maker.plus([node("ConstantOfShape", "size", "big")], [ints("size", 20_000, 20_000)], burden="big")


@REGISTRY.add("TOO_LARGE")
def constant_of_a_computed_shape(maker: Maker) -> bytes:
    nodes = [node("Mul", "half half", "size"), node("ConstantOfShape", "size", "big")]
    return maker.plus(nodes, [ints("half", 2**16)], burden="big")


@REGISTRY.add("TOO_LARGE")
def expanded_without_measure(maker: Maker) -> bytes:
    return maker.plus(
        [node("Expand", "one size", "big")], [floats("one", 1.0), ints("size", 2**30)], burden="big"
    )


@REGISTRY.add("TOO_LARGE")
def tiled_without_measure(maker: Maker) -> bytes:
    return maker.plus([node("Tile", "flat times", "big")], [ints("times", 1, 2**30)], burden="big")


@REGISTRY.add("TOO_LARGE")
def padded_without_measure(maker: Maker) -> bytes:
    return maker.plus([node("Pad", "flat pads", "big")], [ints("pads", 0, 0, 0, 2**40)], burden="big")


@REGISTRY.add("TOO_LARGE")
def resized_without_measure(maker: Maker) -> bytes:
    nodes = [node("Reshape", "flat plane", "image"), node("Resize", "image  scales", "big")]
    nodes[1].input[:] = ["image", "", "scales"]
    tensors = [ints("plane", -1, 1, 1, maker.size), floats("scales", 1.0, 1.0, 1e5, 1e5)]
    return maker.plus(nodes, tensors, burden="big")


@REGISTRY.add("TOO_LARGE")
def resized_step_by_step(maker: Maker) -> bytes:
    nodes, at = [node("Reshape", "flat plane", "r0")], "r0"
    for i in range(8):
        nodes.append(helper.make_node("Resize", [at, "", "scales"], [f"r{i + 1}"]))
        at = f"r{i + 1}"
    tensors = [ints("plane", -1, 1, 1, maker.size), floats("scales", 1.0, 1.0, 8.0, 8.0)]
    return maker.plus(nodes, tensors, burden=at)


@REGISTRY.add("TOO_LARGE")
def transposed_convolution_with_giant_strides(maker: Maker) -> bytes:
    nodes = [
        node("Reshape", "flat plane", "image"),
        node("ConvTranspose", "image kernel", "big", strides=[2**20, 2**20]),
    ]
    kernel = numpy_helper.from_array(np.ones((1, 1, 2, 2), np.float32), "kernel")
    return maker.plus(nodes, [ints("plane", -1, 1, 4, maker.size // 4), kernel], burden="big")


@REGISTRY.add("TOO_LARGE")
def one_hot_of_giant_depth(maker: Maker) -> bytes:
    nodes = [node("Cast", "flat", "whole", to=TensorProto.INT64), node("OneHot", "whole depth pair", "big")]
    return maker.plus(nodes, [ints("depth", 2**24), floats("pair", 0.0, 1.0)], burden="big")


@REGISTRY.add("TOO_LARGE")
def range_of_tiny_steps(maker: Maker) -> bytes:
    scalars = [
        helper.make_tensor(n, TensorProto.FLOAT, [], [v]) for n, v in (("a", 0.0), ("b", 1.0), ("c", 1e-9))
    ]
    return maker.plus([node("Range", "a b c", "big")], scalars, burden="big")


@REGISTRY.add("TOO_LARGE")
def outer_product_of_long_vectors(maker: Maker) -> bytes:
    nodes = [node("Expand", "one tall", "a"), node("Expand", "one wide", "b"), node("MatMul", "a b", "big")]
    tensors = [floats("one", 1.0), ints("tall", 2**20, 1), ints("wide", 1, 2**20)]
    return maker.plus(nodes, tensors, burden="big")


@REGISTRY.add("TOO_LARGE")
def convolution_with_giant_padding(maker: Maker) -> bytes:
    nodes = [
        node("Reshape", "flat plane", "image"),
        node("Conv", "image kernel", "big", pads=[2**23] * 4),
    ]
    kernel = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "kernel")
    return maker.plus(nodes, [ints("plane", -1, 1, 1, maker.size), kernel], burden="big")


@REGISTRY.add("TOO_LARGE")
def more_nodes_than_anybody_needs(maker: Maker) -> bytes:
    nodes = [node("Relu", f"n{i}" if i else "sound", f"n{i + 1}") for i in range(30_000)]
    return maker.model(nodes, end="n30000").SerializeToString()


@REGISTRY.add("TOO_LARGE")
def more_tensors_than_anybody_needs(maker: Maker) -> bytes:
    return maker.model([], [floats(f"t{i}", 1.0) for i in range(30_000)]).SerializeToString()


@REGISTRY.add(reasons=_EITHER)
def batch_doubled_thirty_times(maker: Maker) -> bytes:
    nodes, at = [], "flat"
    for i in range(30):
        nodes.append(helper.make_node("Concat", [at, at], [f"d{i}"], axis=0))
        at = f"d{i}"
    return maker.plus(nodes, burden=at)


@REGISTRY.add(reasons=_EITHER)
def batch_tiled_into_gigabytes(maker: Maker) -> bytes:
    nodes = [node("Tile", "flat times", "a"), node("Tile", "a times", "big")]
    return maker.plus(nodes, [ints("times", 2**12, 1)], burden="big")


@REGISTRY.add(reasons=_EITHER)
def batch_padded_into_gigabytes(maker: Maker) -> bytes:
    nodes = [node("Pad", "flat pads", "a"), node("Pad", "a pads", "big")]
    return maker.plus(nodes, [ints("pads", 2**23, 0, 2**23, 0)], burden="big")


@REGISTRY.add(reasons=_EITHER)
def einstein_sum_of_six_indices(maker: Maker) -> bytes:
    return maker.plus(
        [node("Einsum", "flat flat flat flat", "big", equation="ai,bj,ck,dl->abcdijkl")], burden="big"
    )


@REGISTRY.add(reasons=_EITHER, stage="any")
def outer_product_of_the_whole_batch(maker: Maker) -> bytes:
    nodes = [
        node("Reshape", "flat tall", "a"),
        node("Reshape", "flat wide", "b"),
        node("MatMul", "a b", "c"),
        node("Exp", "c", "d"),
        node("MatMul", "d c", "big"),
    ]
    return maker.plus(nodes, [ints("tall", -1, 1), ints("wide", 1, -1)], burden="big")


@REGISTRY.add(reasons=(FAILED,), stage="any")
def sixteen_million_numbers_a_sample(maker: Maker) -> bytes:
    nodes = [node("ReduceSum", "flat axis", "s"), node("Expand", "s size", "a"), node("Exp", "a", "big")]
    return maker.plus(nodes, [ints("axis", 1), ints("size", 1, 2**24)], burden="big")


@REGISTRY.add(reasons=(FAILED,))
def products_of_great_matrices_without_end(maker: Maker) -> bytes:
    """Takes minutes whatever the batch; the numbers hang on x, so that nothing is folded."""
    nodes = [node("ReduceMean", "flat", "m", keepdims=0), node("Expand", "m size", "p0")]
    for i in range(2000):
        nodes += [node("MatMul", f"p{i} p{i}", f"q{i}"), node("Tanh", f"q{i}", f"p{i + 1}")]
    return maker.plus(nodes, [ints("size", 2048, 2048)], burden="p2000")


@REGISTRY.add(reasons=(FAILED,), stage="run")
def products_that_grow_with_the_cube_of_the_batch(maker: Maker) -> bytes:
    narrow = numpy_helper.from_array(np.full((maker.size, 16), 0.01, np.float32), "narrow")
    nodes = [
        node("MatMul", "flat narrow", "few"),
        node("Reshape", "few tall", "a"),
        node("Reshape", "few wide", "b"),
        node("MatMul", "a b", "p0"),
    ]
    for i in range(500):
        nodes += [node("MatMul", f"p{i} p{i}", f"q{i}"), node("Tanh", f"q{i}", f"p{i + 1}")]
    return maker.plus(nodes, [narrow, ints("tall", -1, 1), ints("wide", 1, -1)], burden="p500")
