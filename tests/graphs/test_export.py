"""What export promises beside right gradients: loud failure, restored modes, metadata, stochastic passes, refresh."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import pytest

from graphs import (
    GraphError,
    GraphErrorCode,
    GraphKind,
    check,
    export_forward,
    export_pullback,
    fix_dropout,
    generator_forward,
    load_untrusted,
    refresh,
)
from graphs.export.trace import WEIGHT_KEY
from graphs.export.verify import verify_graph

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


class Returning(nn.Module):
    """A module around a plain function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 6)
        self.function = function

    def forward(self, x):
        return self.function(self.inner(x))


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x: torch.special.bessel_j0(x), "bessel_j0"),
        (lambda x: torch.cumsum(x, dim=1), "CumSum"),
        (lambda x: torch.sort(x, dim=1).values, "TopK"),
    ],
    ids=["no translation", "no derivative of CumSum", "no derivative of TopK"],
)
def test_an_uncovered_operator_fails_by_its_name(function, operator: str) -> None:
    with pytest.raises(GraphError, match=operator) as caught:
        export_pullback(Returning(function), torch.randn(4, 6))
    assert caught.value.code is GraphErrorCode.UNSUPPORTED_OPERATOR
    assert operator in caught.value.metadata["operator"]


def test_a_wrong_gradient_is_found(lenet_module, lenet_graph) -> None:
    broken = onnx.ModelProto()
    broken.CopyFrom(lenet_graph)
    for node in broken.graph.node:
        if node.output[0] == "dx":
            broken.graph.node.add(op_type="Neg", input=[node.input[0]], output=["dx"])
            broken.graph.node.remove(node)
            break
    with pytest.raises(GraphError, match="dx differs") as caught:
        verify_graph(
            broken,
            lenet_module.eval(),
            torch.randn(4, 1, 28, 28),
            GraphKind.CLASSIFIER,
            ["logits", "embedding"],
            pullback=True,
        )
    assert caught.value.code is GraphErrorCode.GRADIENT_MISMATCH
    assert caught.value.metadata["tensor"] == "dx"


def test_export_keeps_each_layers_mode_and_its_weights() -> None:
    module = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.Linear(6, 3))
    module.train()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    export_pullback(module, torch.randn(4, 6))
    assert [part.training for part in module] == [True, False, True, True]
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_metadata_say_kind_shapes_versions_and_whatever_else() -> None:
    graph = export_forward(nn.Linear(6, 4), torch.randn(2, 6), kind=GraphKind.ENCODER, metadata={"run": "7"})
    metadata = check(graph, GraphKind.ENCODER).metadata
    assert metadata["dowser.kind"] == "encoder" and metadata["dowser.contract"] == "1"
    assert metadata["dowser.input_shape"] == "[6]" and metadata["dowser.output_shape"] == "[4]"
    assert metadata["dowser.torch_version"] == torch.__version__
    assert metadata["dowser.onnx_version"] == onnx.__version__ and metadata["run"] == "7"


def test_a_plain_function_exports_too() -> None:
    weight = torch.randn(6, 3)
    graph = export_pullback(lambda x: torch.tanh(x) @ weight, torch.randn(2, 6))
    assert check(graph, GraphKind.CLASSIFIER).has_pullback


@pytest.mark.parametrize(
    ("module", "example", "code"),
    [
        (nn.Linear(6, 3), torch.randn(2, 6).double(), GraphErrorCode.WRONG_DTYPE),
        (nn.Linear(6, 3), torch.randn(6), GraphErrorCode.WRONG_SHAPE),
        (nn.Conv2d(1, 2, 1), torch.randn(2, 1, 3, 3), GraphErrorCode.WRONG_SHAPE),
    ],
    ids=["float64 example", "no batch", "logits with positions"],
)
def test_a_wrong_example_or_output_is_refused(module, example, code: GraphErrorCode) -> None:
    with pytest.raises(GraphError) as caught:
        export_pullback(module, example)
    assert caught.value.code is code


def test_an_encoder_has_no_pullback() -> None:
    with pytest.raises(GraphError, match="export_forward"):
        export_pullback(nn.Linear(6, 3), torch.randn(2, 6), kind=GraphKind.ENCODER)


def test_a_classifier_may_give_probabilities_without_a_pullback() -> None:
    module = nn.Sequential(nn.Linear(6, 3), nn.Softmax(-1))
    graph = export_forward(module, torch.randn(2, 6), kind=GraphKind.CLASSIFIER, probabilities=True)
    info = check(graph, GraphKind.CLASSIFIER)
    assert info.output == "probabilities" and not info.has_pullback


def dropout_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout2d(0.3), nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 10)
    )


def test_fixed_masks_make_t_different_passes_that_never_change(run_graph) -> None:
    module = dropout_net()
    stochastic = fix_dropout(module, passes=5, seed=3, example=torch.randn(2, 1, 8, 8))
    graph = export_pullback(stochastic, torch.randn(4, 1, 8, 8), batch_sizes=(1, 3, 5))
    info = check(graph, GraphKind.CLASSIFIER)
    assert check(load_untrusted(graph.SerializeToString()), GraphKind.CLASSIFIER) == info
    assert info.passes == 5 and info.output_shape == (10,) and info.has_pullback
    x = np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)
    cotangent = np.ones((5, 3, 10), np.float32)
    logits = run_graph(graph, x=x, dlogits=cotangent)["logits"]
    assert np.abs(logits[0] - logits[1]).max() > 1e-3
    alone = run_graph(graph, x=x[1:2], dlogits=cotangent[:, :1])["logits"]
    np.testing.assert_allclose(alone[:, 0], logits[:, 1], rtol=1e-4, atol=1e-5)
    again = fix_dropout(module, passes=5, seed=3, example=torch.randn(2, 1, 8, 8))(torch.tensor(x))
    np.testing.assert_allclose(again.detach().numpy(), logits, rtol=1e-4, atol=1e-5)


def test_masks_keep_the_mean_of_their_input() -> None:
    stochastic = fix_dropout(dropout_net(), passes=400, seed=0, example=torch.randn(1, 1, 8, 8))
    x = torch.randn(2, 1, 8, 8)
    mean = stochastic(x).mean(0)
    plain = dropout_net().eval()(x)
    assert (mean - plain).abs().max() < 0.15 * stochastic(x).std(0).max() + 0.05


def test_a_network_without_dropout_has_no_stochastic_passes() -> None:
    with pytest.raises(ValueError, match="no dropout layer"):
        fix_dropout(nn.Linear(3, 3), passes=4, seed=0, example=torch.randn(1, 3))


class SharedDropout(nn.Module):
    """One dropout layer at two places of different widths, which know it by two names or by one."""

    def __init__(self, *, names: int) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 8), nn.Linear(8, 5), nn.Linear(5, 3)
        self.early = nn.Dropout(0.5)
        if names == 2:
            self.late = self.early

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        late = self.late if hasattr(self, "late") else self.early
        return self.last(late(self.second(self.early(self.first(x)))))


def test_a_dropout_layer_of_two_names_drops_at_both_places() -> None:
    stochastic = fix_dropout(SharedDropout(names=2), passes=3, seed=0, example=torch.randn(2, 6))
    masks = {name: mask.shape for name, mask in stochastic.named_buffers()}
    assert masks == {"network.early.mask": (3, 1, 8), "network.late.mask": (3, 1, 5)}


def test_a_dropout_layer_of_one_name_used_at_two_widths_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match=r"'early'.*a layer of its own"):
        fix_dropout(SharedDropout(names=1), passes=3, seed=0, example=torch.randn(2, 6))


def test_every_weight_stays_an_initializer_of_its_own(generator_module, generator_graph) -> None:
    marked = {
        p.value for t in generator_graph.graph.initializer for p in t.metadata_props if p.key == WEIGHT_KEY
    }
    wanted = {name for name, _ in generator_module.named_parameters()}
    assert wanted <= marked


def test_refresh_gives_the_new_weights_values_without_an_export(
    lenet_module, lenet_graph, run_graph, monkeypatch
) -> None:
    monkeypatch.setattr(torch.onnx, "export", None)  # what takes seconds
    other = type(lenet_module)()
    renewed = refresh(lenet_graph, other)
    x = torch.randn(3, 1, 28, 28)
    logits = run_graph(renewed, x=x.numpy(), dlogits=np.zeros((3, 10), np.float32))["logits"]
    np.testing.assert_allclose(logits, other(x)[0].detach().numpy(), rtol=1e-4, atol=1e-5)


def test_refresh_renews_batch_statistics_too(generator_graph, generator_module, run_graph) -> None:
    changed = copy.deepcopy(generator_module).train()
    changed(torch.randn(32, 16) * 3)
    renewed = refresh(generator_graph, changed)
    assert changed.training
    z = torch.randn(2, 16)
    want = changed.eval()(z).detach().numpy()
    got = run_graph(generator_forward(renewed), z=z.numpy())["x"]
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "other",
    [nn.Linear(3, 3), nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))],
    ids=["other names", "other shapes"],
)
def test_refresh_refuses_another_architecture(other: nn.Module) -> None:
    graph = export_pullback(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)), torch.randn(2, 6))
    with pytest.raises(GraphError, match="export the module afresh") as caught:
        refresh(graph, other)
    assert caught.value.code is GraphErrorCode.REFRESH_MISMATCH


def test_refresh_notices_a_changed_computation_with_equal_weights() -> None:
    def net(activation: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 4), activation, nn.Linear(4, 3))

    graph = export_pullback(net(nn.ReLU()), torch.randn(2, 6))
    with pytest.raises(GraphError) as caught:
        refresh(graph, net(nn.Tanh()))
    assert caught.value.code is GraphErrorCode.REFRESH_MISMATCH
