"""Classifiers that are accepted and then say what no classifier says, or break the runtime's own operators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from benchmarks.hostile.making import FAILED, NOT_FINITE, REJECTED, Maker, Registry, floats, ints, node, value

REGISTRY = Registry()


@REGISTRY.add(reasons=(NOT_FINITE,), stage="run")
def logits_that_are_no_numbers(maker: Maker) -> bytes:
    nodes = [node("Add", "sound nan", "end")]
    return maker.model(nodes, [floats("nan", math.nan)], end="end").SerializeToString()


@REGISTRY.add(reasons=(NOT_FINITE,), stage="run")
def logits_without_bound(maker: Maker) -> bytes:
    nodes = [node("Add", "sound huge", "end")]
    return maker.model(nodes, [floats("huge", math.inf)], end="end").SerializeToString()


@REGISTRY.add(reasons=(NOT_FINITE,), stage="run")
def numbers_only_for_zeros(maker: Maker) -> bytes:
    """What the check's zeros never show."""
    nodes = [
        node("Abs", "sound", "a"),
        node("Neg", "a", "b"),
        node("Sqrt", "b", "c"),
        node("Add", "sound c", "end"),
    ]
    return maker.model(nodes, end="end").SerializeToString()


@REGISTRY.add(reasons=(NOT_FINITE,), stage="run")
def gradient_that_is_no_number(maker: Maker) -> bytes:
    inputs = [value("x", "B", *maker.shape), value("dlogits", "B", maker.classes)]
    outputs = [value("logits", "B", maker.classes), value("dx", "B", *maker.shape)]
    nodes = [
        node("ReduceSum", "dlogits axis", "s", keepdims=0),
        node("Reshape", "s shape", "column"),
        node("Mul", "x column", "y"),
        node("Add", "y nan", "dx"),
    ]
    tensors = [ints("axis", 1), ints("shape", -1, *[1] * len(maker.shape)), floats("nan", math.nan)]
    return maker.model(nodes, tensors, inputs=inputs, outputs=outputs).SerializeToString()


@REGISTRY.add(reasons=(NOT_FINITE,), stage="run")
def embedding_that_is_no_number(maker: Maker) -> bytes:
    nodes = [node("Add", "flat nan", "embedding")]
    outputs = [value("logits", "B", maker.classes), value("embedding", "B", maker.size)]
    return maker.model(nodes, [floats("nan", math.nan)], outputs=outputs).SerializeToString()


@REGISTRY.add(reasons=(FAILED,), stage="run")
def rows_that_get_lost_in_larger_batches(maker: Maker) -> bytes:
    nodes = [
        node("Shape", "sound", "shape"),
        node("Min", "shape most", "stop"),
        node("Slice", "sound zero stop", "end"),
    ]
    tensors = [ints("most", 3, maker.classes), ints("zero", 0, 0)]
    return maker.model(nodes, tensors, end="end").SerializeToString()


@REGISTRY.add(reasons=(FAILED,), stage="run")
def classes_that_get_lost_in_larger_batches(maker: Maker) -> bytes:
    nodes = [
        node("Shape", "sound", "shape", start=0, end=1),
        node("Sub", "limit shape", "left"),
        node("Max", "left one", "columns"),
        node("Slice", "sound zero columns axis", "end"),
    ]
    tensors = [ints("limit", maker.classes + 2), ints("one", 1), ints("zero", 0), ints("axis", 1)]
    return maker.model(nodes, tensors, end="end").SerializeToString()


@REGISTRY.add(reasons=(FAILED,), stage="run")
def operator_that_fails_in_larger_batches(maker: Maker) -> bytes:
    nodes = [
        node("Shape", "sound", "shape", start=0, end=1),
        node("Gather", "few shape", "one"),
        node("Add", "sound one", "end"),
    ]
    return maker.model(nodes, [floats("few", *[0.0] * 5)], end="end").SerializeToString()


def _tree(maker: Maker, **changed: Sequence[Any]) -> bytes:
    """A classifier of one tree with a root and two leaves."""
    attributes: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.0, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "class_treeids": [0, 0],
        "class_nodeids": [1, 2],
        "class_ids": [0, 1],
        "class_weights": [1.0, 1.0],
        "classlabels_int64s": list(range(maker.classes)),
    } | changed
    tree = helper.make_node(
        "TreeEnsembleClassifier", ["flat"], ["label", "votes"], domain="ai.onnx.ml", **attributes
    )
    nodes = [tree, node("Add", "sound votes", "end")]
    return maker.model(nodes, end="end", opsets={"ai.onnx.ml": 3}).SerializeToString()


_BROKEN_TREE = (REJECTED, FAILED)


@REGISTRY.add(reasons=_BROKEN_TREE, stage="any")
def tree_that_never_ends(maker: Maker) -> bytes:
    modes = ["BRANCH_LEQ", "BRANCH_LEQ", "BRANCH_LEQ"]
    return _tree(maker, nodes_modes=modes, nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0])


@REGISTRY.add(reasons=_BROKEN_TREE, stage="any", may_pass=True)
def tree_with_classes_far_outside(maker: Maker) -> bytes:
    return _tree(maker, class_ids=[2**40, -(2**40)])


@REGISTRY.add(reasons=_BROKEN_TREE, stage="any", may_pass=True)
def tree_that_reads_features_far_outside(maker: Maker) -> bytes:
    return _tree(maker, nodes_featureids=[2**31 - 1, 0, 0])


@REGISTRY.add(reasons=_BROKEN_TREE, stage="any")
def tree_whose_lists_disagree(maker: Maker) -> bytes:
    return _tree(maker, nodes_values=[0.0])


@REGISTRY.add(reasons=(REJECTED, FAILED), stage="any", may_pass=True)
def chain_of_nineteen_thousand_nodes(maker: Maker) -> bytes:
    nodes = [node("Tanh", f"n{i}" if i else "sound", f"n{i + 1}") for i in range(19_000)]
    return maker.model(nodes, end="n19000").SerializeToString()


@REGISTRY.add(reasons=(REJECTED, FAILED), stage="any", may_pass=True)
def scatter_far_outside(maker: Maker) -> bytes:
    at = numpy_helper.from_array(np.full((1, 2), 2**40, np.int64), "at")
    nodes = [node("ScatterND", "sound at one", "end")]
    return maker.model(nodes, [at, floats("one", 1.0)], end="end").SerializeToString()
