"""VaB-AL: equations 5 to 11 by hand, what the class loss is for, and the score inside an exported graph."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn

from trainer import TrainerError
from trainer.scores.deep_features import DeepFeatures
from trainer.scores.vab_al import (
    ClassMaskedVae,
    VabAl,
    VabAlConfig,
    VabAlScore,
    class_loss,
    export_vab_al,
    train_vab_al,
)

QUICK = {"hidden": 32, "draws": 3, "label_draws": 10, "learning_rate": 1e-3, "batch_size": 128}


@pytest.fixture(scope="module")
def trained(classifier: nn.Module, all_classes) -> VabAl:
    given = (all_classes.unlabeled, all_classes.labeled, all_classes.labels)
    return train_vab_al(classifier, *given, VabAlConfig(epochs=12, weight=0.1, **QUICK))


def test_the_class_whose_latents_vanish_is_the_one_predicted() -> None:
    vae = ClassMaskedVae(4, 3, VabAlConfig(latents=2, hidden=8))
    z = torch.tensor([[1.0, 2.0, 0.0, 0.0, 3.0, 0.0], [0.1, 0.0, 2.0, 2.0, 1.0, 1.0]])
    w = vae.absence(z)
    torch.testing.assert_close(w, torch.tensor([[5.0, 0.0, 9.0], [0.01, 8.0, 2.0]]))
    expected = -torch.log_softmax(-w, dim=1)[[0, 1], [1, 0]].mean()
    torch.testing.assert_close(class_loss(w, torch.tensor([1, 0])), expected)


def posteriors(trained: VabAl, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return p(x | y^_n) p(y^_n) of each class n, normalized [B, C], and the class of equation 6 [B], by hand."""
    score = trained.score
    v = score.inputs(trained.tapped(x)[2])
    mean, log_variance = score.vae.infer(v)
    each = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1)
    absence = (mean**2 + log_variance.exp()).reshape(len(x), 10, 10).sum(dim=2)
    rows = []
    for row in range(len(x)):
        likelihoods = []
        for n in range(10):
            kept = torch.ones(100)
            kept[10 * n : 10 * n + 10] = 0
            errors = []
            for noise in score.noise[:, 0]:
                z = (mean[row] + (0.5 * log_variance[row]).exp() * noise) * kept
                errors.append(0.5 * ((score.vae.decoder(z) - v[row]) ** 2).sum())
            likelihoods.append(-torch.stack(errors).mean() - (each[row] * kept).sum())
        joint = torch.stack(likelihoods).double() + score.log_prior.double()
        rows.append(joint.softmax(dim=0).numpy())
    return np.stack(rows), absence.argmin(dim=1).numpy()


def scored(trained: VabAl, x: torch.Tensor, **settings: bool) -> np.ndarray:
    config = VabAlConfig(**QUICK, **settings)
    score = VabAlScore(trained.score.inputs, trained.score.vae, trained.difficulty, trained.prior, config)
    return VabAl(trained.tapped, score, trained.prior, trained.agreement)(x)[-1].double().numpy()


@torch.no_grad()
def test_the_score_is_equation_5_of_the_class_predicted(trained: VabAl, all_classes) -> None:
    x = all_classes.unlabeled[:5]
    posterior, predicted = posteriors(trained, x)
    difficulty = trained.difficulty.double().numpy()
    said = trained(x)[-1].double().numpy()
    expected = 1 - difficulty[predicted] * posterior[np.arange(5), predicted]
    np.testing.assert_allclose(said, expected, atol=1e-4)
    every = 1 - posterior @ difficulty
    np.testing.assert_allclose(scored(trained, x, all_classes=True), every, atol=1e-4)
    assert np.abs(said - every).max() > 1e-3


@torch.no_grad()
def test_each_ablation_scores_differently(trained: VabAl, all_classes) -> None:
    """Table 1 has four accuracies: without the difficulty the score must still tell samples apart."""
    x = all_classes.unlabeled[:100]
    scores = [scored(trained, x, prior=p, difficulty=d) for p in (True, False) for d in (True, False)]
    for i, ours in enumerate(scores):
        assert ours.std() > 1e-3
        assert all(np.abs(ours - theirs).max() > 1e-3 for theirs in scores[:i])
    with pytest.raises(TrainerError, match="scores every sample 0"):
        VabAlConfig(all_classes=True, difficulty=False)


def test_difficulty_and_prior_are_those_of_the_labeled_samples(trained: VabAl, all_classes) -> None:
    assert trained.prior.sum().item() == pytest.approx(1)
    assert ((trained.difficulty > 0) & (trained.difficulty < 1)).all()
    counts = torch.bincount(all_classes.labels, minlength=10) / len(all_classes.labels)
    assert (trained.prior - counts).abs().max() < 0.2


def test_without_the_class_loss_the_vae_says_nothing_of_the_classifier(
    trained: VabAl, classifier: nn.Module, all_classes
) -> None:
    given = (all_classes.unlabeled, all_classes.labeled, all_classes.labels)
    blind = train_vab_al(classifier, *given, VabAlConfig(epochs=12, weight=0.0, **QUICK))
    assert trained.agreement > 0.8
    assert blind.agreement < 0.4


def test_the_classifier_and_its_score_are_one_graph(
    trained: VabAl, classifier: nn.Module, all_classes
) -> None:
    given = (all_classes.unlabeled, all_classes.labeled, all_classes.labels)
    graph = export_vab_al(classifier, *given, VabAlConfig(epochs=12, weight=0.1, **QUICK))
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    x = all_classes.unlabeled[:64]
    logits, score = session.run(
        ["logits", "score"], {"x": x.numpy(), "dlogits": np.zeros((64, 10), np.float32)}
    )
    with torch.no_grad():
        np.testing.assert_allclose(logits, classifier(x).numpy(), atol=1e-4)
        np.testing.assert_allclose(score, trained(x)[-1].numpy(), atol=1e-3)


def test_features_are_those_of_the_named_layers_averaged_over_places(
    classifier: nn.Module, all_classes
) -> None:
    x = all_classes.unlabeled[:7]
    with torch.no_grad():
        logits, embedding, features = DeepFeatures(classifier, ["1", "5"])(x)
        torch.testing.assert_close(features[0], classifier[:2](x).mean(dim=(2, 3)))
        torch.testing.assert_close(features[1], classifier[:6](x))
        torch.testing.assert_close(logits, classifier(x))
    assert embedding is None
    with pytest.raises(TrainerError, match="no layer nine"):
        DeepFeatures(classifier, ["nine"])
