"""VAAL, TA-VAAL and M2-VAAL: what a discriminator tells apart, the ranker's loss, and M2's latents."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from graphs import derive_pullback, score_as_logits
from trainer import TrainerError
from trainer.scores.exporting import export_scored
from trainer.scores.m2_vaal import M2VaalConfig, train_m2_vaal
from trainer.scores.vaal import VaalConfig, ranking_loss, train_vaal
from trainer.scores.vab_al import VabAlConfig, train_vab_al


def new_classes(score: torch.Tensor, truth: torch.Tensor, count: int = 100) -> float:
    """Return the share of classes without a label among the highest scores."""
    return float((truth[score.argsort(descending=True)[:count]] >= 5).float().mean())


def test_samples_of_classes_without_a_label_stand_out(classifier: nn.Module, half_the_classes) -> None:
    given = half_the_classes
    made = train_vaal(
        classifier,
        given.unlabeled,
        given.labeled,
        given.labels,
        VaalConfig(iterations=150, adversarial=False, latent_dim=8),
    )
    with torch.no_grad():
        logits, score = made(given.unlabeled)
        torch.testing.assert_close(logits, classifier(given.unlabeled))
    base = float((given.truth >= 5).float().mean())
    assert new_classes(score, given.truth) > base + 0.2


def test_the_ranked_one_sees_what_the_ranker_says(classifier: nn.Module, all_classes) -> None:
    made = train_vaal(
        classifier,
        all_classes.unlabeled,
        all_classes.labeled,
        all_classes.labels,
        VaalConfig(ranked=True, iterations=5, ranker_iterations=5),
    )
    assert made.ranker is not None
    assert made.core.discriminator[0].in_features == 33
    with torch.no_grad():
        score = made(all_classes.unlabeled[:9])[1]
        made.ranker.head.bias += 5
        assert not torch.allclose(score, made(all_classes.unlabeled[:9])[1])


def test_the_ranking_loss_compares_each_sample_with_one_of_the_other_half() -> None:
    ranks, losses = torch.tensor([2.0, -1.0, 0.0, 1.0]), torch.tensor([3.0, 1.0, 2.0, 0.5])
    right, wrong = torch.sigmoid(torch.tensor(2.0)).log(), torch.sigmoid(torch.tensor(-2.0)).log()
    torch.testing.assert_close(ranking_loss(ranks, losses), -(right + wrong) / 2)


@pytest.mark.parametrize("adversarial", [True, False])
def test_m2_gives_latents_with_the_class_probabilities_behind_them(
    half_the_classes, adversarial: bool
) -> None:
    given = half_the_classes
    config = M2VaalConfig(iterations=60, batch_size=32, latent_dim=8, adversarial=adversarial)
    made = train_m2_vaal(given.unlabeled, given.labeled, given.labels, 10, config)
    with torch.no_grad():
        logits, latents, score = made(given.unlabeled)
    torch.testing.assert_close(latents[:, 8:], logits.softmax(dim=1))
    known = given.truth < 5
    assert (logits.argmax(dim=1)[known] == given.truth[known]).float().mean() > 0.6
    assert score.shape == (len(given.unlabeled),)


@pytest.mark.parametrize("system", ["vab-al", "ta-vaal"])
def test_the_given_classifier_is_left_as_it_is(classifier: nn.Module, all_classes, system: str) -> None:
    mine = copy.deepcopy(classifier).train()
    given = (mine, all_classes.unlabeled, all_classes.labeled, all_classes.labels)
    if system == "vab-al":
        made = train_vab_al(*given, VabAlConfig(epochs=1, draws=2, label_draws=1, hidden=8))
    else:
        made = train_vaal(*given, VaalConfig(ranked=True, iterations=1, ranker_iterations=1))
    assert mine.training
    x = all_classes.unlabeled[:3]
    with torch.no_grad():
        before = made(x)[0]
        mine[-1].bias += 1  # trained on, in the next round
        torch.testing.assert_close(made(x)[0], before)


def test_nothing_labeled_is_refused(classifier: nn.Module, all_classes) -> None:
    with pytest.raises(TrainerError, match="0 labeled"):
        train_vaal(classifier, all_classes.unlabeled, all_classes.labeled[:0], all_classes.labels[:0])
    with pytest.raises(TrainerError, match=r"labels of shape \[3\] for 80 labeled samples"):
        train_vaal(classifier, all_classes.unlabeled, all_classes.labeled, all_classes.labels[:3])


@pytest.mark.parametrize("system", ["vab-al", "vaal", "ta-vaal", "m2-vaal"])
def test_the_server_can_derive_the_gradient_of_every_score(
    classifier: nn.Module, all_classes, system: str
) -> None:
    given = (all_classes.unlabeled, all_classes.labeled, all_classes.labels)
    if system == "vab-al":
        made = train_vab_al(classifier, *given, VabAlConfig(epochs=2, draws=12, label_draws=3, hidden=16))
    elif system == "m2-vaal":
        made = train_m2_vaal(*given, 10, M2VaalConfig(iterations=5, batch_size=16))
    else:
        config = VaalConfig(ranked=system == "ta-vaal", iterations=5, ranker_iterations=5)
        made = train_vaal(classifier, *given, config)
    uploaded = onnx.load_from_string(export_scored(made, all_classes.unlabeled))
    derived = derive_pullback(score_as_logits(uploaded)).SerializeToString()
    session = ort.InferenceSession(derived, providers=["CPUExecutionProvider"])
    x = all_classes.unlabeled[:9].clone().requires_grad_(True)
    feeds = {"x": x.detach().numpy(), "dlogits": np.ones((9, 1), np.float32)}
    (dx,) = session.run(["dx"], feeds)
    (wanted,) = torch.autograd.grad(made(x)[-1].sum(), x)
    np.testing.assert_allclose(dx, wanted.numpy(), atol=1e-2 * float(wanted.abs().max()))
