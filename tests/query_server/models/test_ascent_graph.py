"""The optimizer inside the graph against torch's Adam."""

import numpy as np
import onnx.parser
import onnxruntime
import pytest
import torch

from query_server.models.ascent_graph import corrections, with_adam

HILL = """
    <ir_version: 10, opset_import: ["" : 20]>
    hill (float[B, 3] z) => (float[B] score, float[B, 3] dz, float[B, 3] x) {
        top = Constant <value = float {1.0}> ()
        two = Constant <value = float {2.0}> ()
        axis = Constant <value = int64[1] {1}> ()
        away = Sub (top, z)
        dz = Mul (away, two)
        squared = Mul (away, away)
        distance = ReduceSum <keepdims = 0> (squared, axis)
        score = Neg (distance)
        x = Identity (z)
    }"""


@pytest.mark.parametrize("step_size", [0.01, 0.3])
def test_steps_are_those_of_torchs_adam(step_size):
    model = with_adam(onnx.parser.parse_model(HILL))
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    z = np.random.default_rng(0).standard_normal((5, 3), dtype=np.float32)
    theirs = torch.from_numpy(z.copy()).requires_grad_()
    adam = torch.optim.Adam([theirs], lr=step_size, maximize=True)
    mean, variance = np.zeros_like(z), np.zeros_like(z)
    for step in range(1, 41):
        adam.zero_grad()
        (-(theirs - 1).square().sum()).backward()
        adam.step()
        rate, epsilon = corrections(step, step_size)
        z, mean, variance = session.run(
            ("z_next", "mean_next", "variance_next"),
            {
                "z": z,
                "push": np.zeros_like(z),
                "mean": mean,
                "variance": variance,
                "rate": rate,
                "epsilon": epsilon,
            },
        )
        np.testing.assert_allclose(z, theirs.detach().numpy(), atol=1e-5)


def test_the_step_graph_itself_is_not_changed():
    step = onnx.parser.parse_model(HILL)
    before = step.SerializeToString()
    with_adam(step)
    assert step.SerializeToString() == before
