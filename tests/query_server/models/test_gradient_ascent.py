"""The ascent's prior, repulsion and early stop, on a hill whose top is known."""

import numpy as np
import onnx.parser
import pytest

from query_server.ascending import AscentOptions
from query_server.models.ascent_graph import with_adam
from query_server.models.gradient_ascent import climb, push
from query_server.models.runtime import Runtime

# score = exp(-|z - 2|² / 8): smooth, never negative, its top at (2, 2, 2).
HILL = """
    <ir_version: 10, opset_import: ["" : 20]>
    hill (float[B, 3] z) => (float[B] score, float[B, 3] dz, float[B, 3] x) {
        top = Constant <value = float {2.0}> ()
        eighth = Constant <value = float {-0.125}> ()
        quarter = Constant <value = float {0.25}> ()
        axis = Constant <value = int64[1] {1}> ()
        away = Sub (top, z)
        squared = Mul (away, away)
        distance = ReduceSum <keepdims = 1> (squared, axis)
        exponent = Mul (distance, eighth)
        height = Exp (exponent)
        score = Squeeze (height, axis)
        slope = Mul (away, quarter)
        dz = Mul (slope, height)
        x = Identity (z)
    }"""


@pytest.fixture(scope="module")
def session():
    return Runtime(device="cpu", threads=1).session(with_adam(onnx.parser.parse_model(HILL)))


def starts(count=12, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 3), dtype=np.float32)


def run(session, z=None, **options):
    """Climb; returns x, latents, scores, initial scores and the steps taken."""
    steps = []
    z = starts() if z is None else z
    ended = climb(session, z, options=AscentOptions(**options), before_step=lambda: steps.append(1))
    return *ended, len(steps)


def penalty(z, *, latent_prior, repulsion):
    """The two terms as the docstring of the module states them; each pair of latents counts once for both."""
    gaps = np.square(z[:, None] - z[None]).sum(2)
    near = np.exp(-gaps / (2 * (z.shape[1] / 2)))[~np.eye(len(z), dtype=bool)]
    return -latent_prior * np.square(z).sum() / 2 - repulsion * near.sum() / 2


@pytest.mark.parametrize(("latent_prior", "repulsion"), [(0.7, 0.0), (0.0, 1.3), (0.4, 2.5)])
def test_the_push_is_the_gradient_of_the_prior_and_the_repulsion(latent_prior, repulsion):
    z = starts(6).astype(np.float64)
    weights = {"latent_prior": latent_prior, "repulsion": repulsion}
    numeric = np.empty_like(z)
    for index in np.ndindex(*z.shape):
        step = np.zeros_like(z)
        step[index] = 1e-5
        numeric[index] = (penalty(z + step, **weights) - penalty(z - step, **weights)) / 2e-5
    told = push(z.astype(np.float32), AscentOptions(**weights))
    assert told.dtype == np.float32
    np.testing.assert_allclose(told, numeric, atol=1e-4)


def test_without_prior_and_repulsion_nothing_pushes():
    assert not push(starts(), AscentOptions()).any()


def test_latents_that_coincide_do_not_push_each_other_out_of_bounds():
    same = np.repeat(starts(1), 5, axis=0)
    np.testing.assert_allclose(push(same, AscentOptions(repulsion=3.0)), 0, atol=1e-5)


def test_a_climb_ends_with_the_scores_of_where_it_ends(session):
    x, z, scores, initial, steps = run(session, steps=300)
    np.testing.assert_array_equal(x, z)
    np.testing.assert_allclose(scores, np.exp(-np.square(z - 2).sum(1) / 8), rtol=1e-5)
    np.testing.assert_allclose(initial, np.exp(-np.square(starts() - 2).sum(1) / 8), rtol=1e-5)
    assert steps == 300
    assert (scores > 0.999).all()


def test_an_early_stop_saves_steps_and_gives_up_little(session):
    full, early = (run(session, steps=1000, early_stop=each) for each in (0.0, 0.01))
    assert full[4] == 1000
    assert 10 < early[4] < 200
    assert early[2].mean() > 0.95 * full[2].mean()


def test_a_climb_that_still_rises_is_not_stopped(session):
    far = np.full((4, 3), -3, np.float32)
    assert run(session, far, steps=60, early_stop=0.01)[4] == 60


def test_the_prior_keeps_latents_near_the_origin(session):
    free, held = (run(session, steps=300, latent_prior=each)[1] for each in (0.0, 0.2))
    assert np.square(held).sum(1).mean() < 0.8 * np.square(free).sum(1).mean()


def test_repulsion_keeps_latents_apart_that_would_meet_on_one_top(session):
    def least_gap(z):
        gaps = np.linalg.norm(z[:, None] - z[None], axis=2)
        return gaps[~np.eye(len(z), dtype=bool)].min()

    met, apart = (run(session, steps=400, repulsion=each)[1] for each in (0.0, 0.3))
    assert least_gap(met) < 0.01
    assert least_gap(apart) > 0.3


def test_starts_are_not_changed(session):
    z = starts()
    run(session, z, steps=5, latent_prior=0.1, repulsion=0.1)
    np.testing.assert_array_equal(z, starts())
