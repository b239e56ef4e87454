from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

import graphs
import trainer
from trainer import TrainConfig, TrainerError
from trainer.bundle import read_manifest
from trainer.cli import main
from trainer.labels import read_labels
from trainer.networks.conditional import ClassLatents, class_latents
from trainer.runs import load_state
from trainer.supervision import output_classes
from trainer.transforms import deformed
from trainer.vae_acgan import AUGMENTATIONS, GAMMA, JointTraining

Tiny = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    truth = np.load(digits)["y"]
    path.write_text("".join(f"{row},{truth[row]}\n" for row in range(120)))
    return path


@pytest.fixture(scope="module")
def samples() -> tuple[Tensor, Tensor]:
    images, truth = load_digits(return_X_y=True)
    x = torch.from_numpy((images.reshape(-1, 1, 8, 8) / 8 - 1).astype(np.float32))
    return x, torch.from_numpy(truth)


def joint(augmentation: str, **settings: object) -> JointTraining:
    given: dict[str, object] = {
        "latent_dim": 26,
        "width": 8,
        "learning_rate": 1e-3,
        "seed": 0,
        "warm_up": 100,
    }
    return JointTraining(
        (1, 8, 8), 10, augmentation=augmentation, device=torch.device("cpu"), **{**given, **settings}
    )


def train(system: JointTraining, samples: tuple[Tensor, Tensor], steps: int, labeled: int = 150) -> None:
    rng = torch.Generator().manual_seed(1)
    for _ in range(steps):
        rows = torch.randint(labeled, (32,), generator=rng)
        system.update(samples[0][rows], samples[1][rows], rng)


@pytest.fixture(scope="module")
def trained(samples: tuple[Tensor, Tensor]) -> JointTraining:
    system = joint("vae-acgan")
    train(system, samples, 500)
    return system


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_every_rival_learns_the_digits_from_the_same_first_weights(
    augmentation: str, samples: tuple[Tensor, Tensor]
) -> None:
    system, first = joint(augmentation), joint("none")
    for ours, theirs in zip(system.classifier.parameters(), first.classifier.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    train(system, samples, 250)
    with torch.no_grad():
        predicted = system.classifier.eval()(samples[0][500:]).argmax(dim=1)
    assert (predicted == samples[1][500:]).double().mean() > 0.75


def test_companions_look_like_their_samples_and_keep_their_class(
    trained: JointTraining, samples: tuple[Tensor, Tensor]
) -> None:
    x, y = samples[0][:100], samples[1][:100]
    made = trained.companions(x, y)
    apart = torch.cdist(made.flatten(1), x.flatten(1))
    assert apart.diagonal().median() < 0.6 * apart.median()
    with torch.no_grad():
        predicted = trained.classifier.eval()(made).argmax(dim=1)
    assert (predicted == y).double().mean() > 0.8


def test_reconstructions_come_closer_as_training_goes_on(samples: tuple[Tensor, Tensor]) -> None:
    system = joint("vae-acgan")
    distances = []
    for _ in range(2):
        train(system, samples, 150)
        made = system.companions(samples[0][:100], samples[1][:100])
        distances.append(float((made - samples[0][:100]).flatten(1).norm(dim=1).mean()))
    assert distances[1] < distances[0]


def test_the_generator_makes_the_class_it_is_asked_for(
    trained: JointTraining, samples: tuple[Tensor, Tensor]
) -> None:
    asked = torch.arange(10).repeat(10)
    made = trained.samples(asked, torch.Generator().manual_seed(3)).flatten(1)
    real, truth = samples[0].flatten(1), samples[1]
    nearest = truth[torch.cdist(made, real).argmin(dim=1)]
    assert (nearest == asked).double().mean() > 0.5  # by chance, 0.1


def test_the_first_losses_are_equation_9_of_networks_that_know_nothing(
    samples: tuple[Tensor, Tensor],
) -> None:
    """Every logarithm of d is then about -log 2, every one of c about -log 10."""
    x, y = samples[0][:64], samples[1][:64]
    rng = torch.Generator().manual_seed(0)
    first = {name: joint(name, learning_rate=1e-6).update(x, y, rng) for name in ("acgan", "vae-acgan")}
    for name, terms in (("acgan", 1), ("vae-acgan", 2)):
        losses = first[name]
        value = GAMMA * losses["reconstruction_loss"] if terms == 2 else 0.0
        assert losses["discriminator_loss"] == pytest.approx((1 + terms) * math.log(2), abs=0.3)
        assert losses["generator_loss"] - value == pytest.approx(terms * math.log(20), abs=0.6)


def test_what_is_generated_is_of_one_certain_class(samples: tuple[Tensor, Tensor]) -> None:
    system = joint("vae-acgan")
    assert isinstance(system.generator, torch.nn.Sequential)
    seen: list[Tensor] = []
    system.generator[0].register_forward_hook(lambda module, given, made: seen.append(made[:, -10:]))
    train(system, samples, 1)
    shares = seen[0]
    assert len(shares) == 64  # x' and g(u, v)
    assert shares.max(dim=1).values.min() > 0.999


def test_the_classifier_waits_for_the_generator_to_warm_up(samples: tuple[Tensor, Tensor]) -> None:
    cold, none = joint("acgan", warm_up=10), joint("acgan", warm_up=10**9)
    train(cold, samples, 10)
    train(none, samples, 10)
    for ours, theirs in zip(cold.classifier.parameters(), none.classifier.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    train(cold, samples, 1)
    train(none, samples, 1)
    assert any(
        not torch.equal(ours, theirs)
        for ours, theirs in zip(cold.classifier.parameters(), none.classifier.parameters(), strict=True)
    )


def test_no_update_of_the_generator_changes_discriminator_or_classifier_gradients_flags(
    trained: JointTraining,
) -> None:
    assert trained.discriminator is not None
    networks = (trained.classifier, trained.discriminator)
    assert all(weight.requires_grad for network in networks for weight in network.parameters())


@pytest.mark.parametrize("augmentation", ["none", "acgan"])
def test_what_has_no_encoder_makes_no_companions(augmentation: str, samples: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match="no encoder"):
        joint(augmentation).companions(samples[0][:2], samples[1][:2])


def test_certain_classes_leave_nothing_to_the_others() -> None:
    z = class_latents(torch.zeros(2, 3), torch.tensor([1, 0]), 4)
    assert ClassLatents(4)(z)[:, 3:] == pytest.approx(torch.eye(4)[[1, 0]], abs=1e-6)


def test_deformed_images_are_near_and_not_the_same(samples: tuple[Tensor, Tensor]) -> None:
    x = samples[0][:64]
    made = deformed(x, torch.Generator().manual_seed(0))
    apart = (made - x).flatten(1).norm(dim=1)
    others = torch.cdist(x.flatten(1), x.flatten(1)).median()
    assert made.shape == x.shape and (apart > 0).all() and apart.median() < others / 2


@pytest.mark.parametrize("generator", ["vae-acgan", "m2"])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    digits: Path, tiny: Tiny, labels: Path, generator: str
) -> None:
    whole = tiny(digits, generator=generator, labels=labels, iterations=8)
    trainer.train(whole, show_progress=False)
    half = tiny(digits, generator=generator, labels=labels, iterations=4)
    trainer.train(half, show_progress=False)
    half.out.rename(half.out.with_name("half"))
    trainer.train(replace(half, iterations=8, resume=True), show_progress=False)
    states = [load_state(each.run_folder / "checkpoint.pt")["adversaries"] for each in (whole, half)]
    for name, network in states[0]["networks"].items():
        for weight, value in network.items():
            assert torch.equal(value, states[1]["networks"][name][weight]), (name, weight)


def test_a_run_whose_labels_changed_is_not_resumed(digits: Path, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("0,0\n1,1\n2,2\n")
    config = tiny(digits, generator="acgan", labels=tmp_path / "labels.csv", iterations=2)
    trainer.train(config, show_progress=False)
    (tmp_path / "labels.csv").write_text("0,0\n1,2\n2,2\n")
    more = replace(config, iterations=3, resume=True, out=config.out.with_name("more"), run=config.run_folder)
    with pytest.raises(TrainerError, match="the labels changed since the run was started"):
        trainer.train(more, show_progress=False)
    (tmp_path / "labels.csv").write_text(
        "pool_id,label\n1,1\n0,0\n2,2\n"
    )  # the same labels otherwise written
    trainer.train(more, show_progress=False)


def test_a_run_is_exported_where_its_labels_are_gone(digits: Path, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("0,0\n1,1\n2,2\n")
    config = tiny(digits, generator="vae-acgan", labels=tmp_path / "labels.csv", iterations=2)
    trainer.train(config, show_progress=False)
    (tmp_path / "labels.csv").unlink()
    out = trainer.export(config.run_folder, "latent", tmp_path / "exported", show_progress=False)
    assert (out / "generator.onnx").read_bytes() == (config.out / "generator.onnx").read_bytes()


def test_a_failed_export_of_the_classifier_leaves_no_bundle_and_is_made_up_for(
    digits: Path, tiny: Tiny, labels: Path
) -> None:
    config = tiny(digits, generator="acgan", labels=labels, iterations=2)
    blocked = config.run_folder / "classifier.onnx"
    blocked.mkdir(parents=True)
    (config.run_folder / "config.json").write_text(config.resolved().to_json())
    with pytest.raises(OSError, match=r"classifier\.onnx"):
        trainer.train(replace(config, resume=True), show_progress=False)
    assert not config.out.exists()
    blocked.rmdir()
    assert trainer.train(replace(config, resume=True), show_progress=False) == config.out
    assert blocked.is_file()


def test_settings_that_cannot_be_trained_leave_no_run_folder(digits: Path, tiny: Tiny, labels: Path) -> None:
    config = tiny(digits, generator="acgan", labels=labels, latent_dim=5)
    with pytest.raises(TrainerError, match="choose a larger --latent-dim"):
        trainer.train(config, show_progress=False)
    assert not config.run_folder.exists()


def test_a_refresh_goes_on_with_all_four_networks(
    digits: Path, tiny: Tiny, labels: Path, tmp_path: Path
) -> None:
    config = tiny(digits, generator="vae-acgan", features="latent", labels=labels, classes=12, latent_dim=20)
    trainer.train(config, show_progress=False)
    before = read_manifest(config.out)
    assert (before.posterior_dim, list(before.class_names)) == (8, [str(c) for c in range(12)])
    first = graphs.check(config.run_folder / "classifier.onnx", graphs.GraphKind.CLASSIFIER)
    assert (first.output_shape, first.passes, first.has_pullback) == ((12,), 20, True)
    more = tmp_path / "more.csv"
    truth = np.load(digits)["y"]
    more.write_text("".join(f"{row},{truth[row]}\n" for row in range(200)))
    out = trainer.refresh(config.run_folder, more, tmp_path / "next", iterations=3, show_progress=False)
    after = read_manifest(out)
    changed = {a.name for a, b in zip(before.files, after.files, strict=True) if a.sha256 != b.sha256}
    assert changed == {"generator.onnx", "posterior.onnx", "preview.png"}
    assert (tmp_path / "next-run" / "classifier.onnx").exists()
    assert load_state(tmp_path / "next-run" / "checkpoint.pt")["adversaries"]["updates"] == 9


def test_labels_are_the_classifiers_outputs(digits: Path, tmp_path: Path) -> None:
    from samples import open_samples

    (tmp_path / "few.csv").write_text("0,10\n1,2\n")
    given = read_labels(tmp_path / "few.csv", open_samples(digits))
    assert output_classes(given, None).classes.tolist() == [10, 2]
    assert len(output_classes(given, 20).names) == 20
    (tmp_path / "padded.csv").write_text("0,07\n1,7\n")
    padded = output_classes(read_labels(tmp_path / "padded.csv", open_samples(digits)), None)
    assert padded.classes.tolist() == [7, 7]
    with pytest.raises(TrainerError, match="10 is not below the 5 classes"):
        output_classes(given, 5)
    (tmp_path / "words.csv").write_text("0,cat\n1,2\n")
    with pytest.raises(TrainerError, match="'cat' is no output"):
        output_classes(read_labels(tmp_path / "words.csv", open_samples(digits)), None)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_exported_campaigns_are_labels(digits: Path, tmp_path: Path, ending: str) -> None:
    from samples import open_samples

    path = tmp_path / f"campaign.{ending}"
    if ending == "csv":
        path.write_text("pool_id,label,annotator,record_time\n4,7,ann,2020-01-01T00:00:00+00:00\n9,1,,\n")
    else:
        path.write_text(
            '{"kind": "campaign", "version": 1, "name": "c"}\n'
            '{"kind": "event", "change": "recorded", "pool_id": 3, "label": 5}\n'
            '{"kind": "event", "change": "recorded", "pool_id": 4, "label": 1}\n'
            '{"kind": "event", "change": "corrected", "pool_id": 4, "label": 7}\n'
            '{"kind": "event", "change": "retracted", "pool_id": 3, "label": null}\n'
            '{"kind": "event", "change": "recorded", "pool_id": 9, "label": 1, "annotator": "a\u2028b"}\n'
        )
    labels = read_labels(path, open_samples(digits))
    assert labels.rows.tolist() == [4, 9]
    assert [labels.names[one] for one in labels.classes] == ["7", "1"]


def test_vectors_are_refused(vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels.csv").write_text("0,0\n1,1\n")
    arguments = ["train", "--data", str(vectors), "--generator", "vae-acgan", "--out", str(tmp_path / "b")]
    assert main([*arguments, "--labels", str(tmp_path / "labels.csv"), "--quiet"]) == 1
    assert "vae-acgan is for images" in capsys.readouterr().err
