"""ONNX Runtime tells nobody what is run here."""

import os
import subprocess
import sys

from processes import REPOSITORY

RUN = """
import numpy as np
from onnx import TensorProto, helper
from query_server.models import Runtime

value = helper.make_tensor_value_info
graph = helper.make_graph(
    [helper.make_node("Relu", ["x"], ["y"])],
    "relu",
    [value("x", TensorProto.FLOAT, [1])],
    [value("y", TensorProto.FLOAT, [1])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
print(Runtime().session(model).run(["y"], {"x": np.ones(1, np.float32)}))
"""


def test_running_a_graph_leaves_no_device_id_and_no_events_in_home(tmp_path):
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env={**kept, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*"))
