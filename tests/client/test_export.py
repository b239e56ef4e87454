from __future__ import annotations

import sys

import numpy as np
import pytest

from client import ClassifierExporter, MissingExtraError, export_classifier

torch = pytest.importorskip("torch", reason="exporting needs torch")
pytest.importorskip("onnx", reason="exporting needs onnx")
ort = pytest.importorskip("onnxruntime", reason="exporting needs onnxruntime")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(seed: int = 0, hidden: int = 12, dropout: float = 0.0) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Linear(6, hidden),
            torch.nn.Tanh(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(hidden, 4),
        )


def run(model: bytes, x: np.ndarray, dlogits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    logits, dx = session.run(["logits", "dx"], {"x": x, "dlogits": dlogits})
    return logits, dx


def samples(n: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def exported() -> tuple[ClassifierExporter, bytes]:
    exporter = ClassifierExporter((6,))
    return exporter, exporter(network())


def test_an_exported_classifier_carries_its_gradient(exported) -> None:
    x = samples()
    inputs = torch.from_numpy(x).requires_grad_()
    logits = network()(inputs)
    dlogits = torch.randn(logits.shape)
    (expected,) = torch.autograd.grad(logits, inputs, dlogits)
    got_logits, got = run(exported[1], x, dlogits.numpy())
    np.testing.assert_allclose(got_logits, logits.detach().numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_the_next_round_only_renews_the_weights(exported) -> None:
    exporter, _ = exported
    retrained = network(seed=1)
    model = exporter(retrained)
    assert exporter.refreshed
    x = samples(5)
    logits, _ = run(model, x, np.zeros((5, 4), np.float32))
    np.testing.assert_allclose(logits, retrained(torch.from_numpy(x)).detach().numpy(), rtol=1e-4, atol=1e-6)


def test_another_architecture_is_exported_afresh(exported) -> None:
    exporter, _ = exported
    wider = network(hidden=20)
    model = exporter(wider)
    assert not exporter.refreshed
    x = samples()
    logits, _ = run(model, x, np.zeros((3, 4), np.float32))
    np.testing.assert_allclose(logits, wider(torch.from_numpy(x)).detach().numpy(), rtol=1e-4, atol=1e-6)


def test_a_module_in_training_mode_stays_so_and_is_exported_without_dropout() -> None:
    module = network(dropout=0.5).train()
    model = export_classifier(module, samples())
    assert module.training
    x = samples()
    logits, _ = run(model, x, np.zeros((3, 4), np.float32))
    np.testing.assert_allclose(logits, network()(torch.from_numpy(x)).detach().numpy(), rtol=1e-4, atol=1e-6)


def test_preprocessing_goes_in_front() -> None:
    class Halve(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 0.5

    model = export_classifier(network(), (6,), preprocess=Halve())
    x = samples()
    logits, _ = run(model, x, np.zeros((3, 4), np.float32))
    expected = network()(torch.from_numpy(x) * 0.5).detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)


def test_passes_keep_the_dropout_as_fixed_masks() -> None:
    model = export_classifier(network(dropout=0.5), (6,), passes=3)
    x = samples()
    logits, dx = run(model, x, np.ones((3, 3, 4), np.float32))
    assert logits.shape == (3, 3, 4)
    assert dx.shape == x.shape
    assert not np.allclose(logits[0], logits[1])


def test_passes_without_dropout_are_refused() -> None:
    with pytest.raises(ValueError, match="dropout"):
        export_classifier(network(), (6,), passes=3)


def test_passes_of_a_module_with_an_embedding_leave_it_out() -> None:
    class Embedding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = network(dropout=0.5), torch.nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            embedding = self.body(x)
            return self.head(embedding), embedding

    logits, _ = run(export_classifier(Embedding(), (6,), passes=2), samples(), np.ones((2, 3, 3), np.float32))
    assert logits.shape == (2, 3, 3)


@pytest.mark.parametrize("kind", [list, torch.nn.ModuleList])
def test_a_sequence_of_modules_is_an_ensemble_with_a_pass_a_member(kind) -> None:
    members = kind([network(seed=seed, hidden=hidden) for seed, hidden in ((0, 12), (1, 12), (2, 9))])
    x, dlogits = samples(5), np.random.default_rng(1).normal(size=(3, 5, 4)).astype(np.float32)
    inputs = torch.from_numpy(x).requires_grad_()
    logits = torch.stack([member(inputs) for member in members])
    (expected,) = torch.autograd.grad(logits, inputs, torch.from_numpy(dlogits))
    got_logits, got = run(export_classifier(members, (6,)), x, dlogits)
    np.testing.assert_allclose(got_logits, logits.detach().numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_a_retrained_ensemble_only_renews_its_weights() -> None:
    exporter = ClassifierExporter((6,))
    exporter([network(seed=0), network(seed=1)])
    retrained = [network(seed=2), network(seed=3)]
    logits, _ = run(exporter(retrained), samples(), np.zeros((2, 3, 4), np.float32))
    assert exporter.refreshed
    expected = torch.stack([member(torch.from_numpy(samples())) for member in retrained]).detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)


def test_an_ensemble_of_one_or_with_passes_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 members"):
        export_classifier([network()], (6,))
    with pytest.raises(ValueError, match="without passes"):
        export_classifier([network(dropout=0.5), network(dropout=0.5)], (6,), passes=3)


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r'pip install "dowser-al\[export\]"'):
        export_classifier(network(), (6,))
