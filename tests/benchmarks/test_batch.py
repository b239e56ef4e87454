"""The reference of the recipe `batch` scores what the classifier scores."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from benchmarks.batch import bare
from graphs import forward
from query_server.acquisition import acquisition_function
from samples.preprocess import Preprocessing


def test_the_reference_scores_every_sample_by_the_graph(
    digits, classifier_bytes, tmp_path, monkeypatch, capsys
) -> None:
    import onnxruntime

    graph = tmp_path / "graph.onnx"
    head = acquisition_function("margin").head(10)
    graph.write_bytes(forward(onnx.load_from_string(classifier_bytes), head).SerializeToString())
    monkeypatch.setattr(bare, "CALIBRATED_ON", 100)
    given = {"graph": str(graph), "samples": str(digits.pool_file), "count": 999, "threads": 2, "niceness": 0}
    bare.main(json.dumps(given))
    x = Preprocessing.infer((8, 8), "uint8").to_input(digits.pool[:999])
    (scores,) = onnxruntime.InferenceSession(graph.read_bytes()).run(("score",), {"x": x})
    assert json.loads(capsys.readouterr().out)["mean_score"] == pytest.approx(np.mean(scores), abs=1e-5)
