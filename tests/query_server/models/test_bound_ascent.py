"""Ascents whose state stays on the device do what those on the host do; with device "cpu" the same code runs here."""

import logging

import numpy as np
import onnx
import onnx.parser
import pytest

from graphs import splice
from query_server.acquisition import acquisition_function
from query_server.ascending import AscentOptions
from query_server.models import Runtime
from query_server.models.ascent_graph import with_adam
from query_server.models.ascent_loop import SETTINGS, STATES, with_loop
from query_server.models.bound_ascent import CHECK_EVERY, BoundAscents
from query_server.models.gradient_ascent import climb
from query_server.models.runtime import cuda_options, why_not_cuda

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(why_not_cuda() is not None, reason="needs ONNX Runtime on a GPU"),
        ],
    ),
]


@pytest.fixture(scope="module")
def step(pixel_generator, classifier_bytes):
    """A whole step of a small convolutional classifier over a generator that only shapes its latents."""
    head = acquisition_function("maximum_entropy").head(10)
    return with_adam(
        splice(pixel_generator.generator, onnx.load_from_string(classifier_bytes), head, for_cpu=True)
    )


@pytest.fixture(scope="module")
def on_host(step):
    return Runtime(device="cpu").session(step)


def starts(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 64), dtype=np.float32)


def both(step, on_host, device, z, **options):
    """Climb on the device and on the host; returns what each ended with, and the steps the device took."""
    steps = []
    options = AscentOptions(**options)
    bound = BoundAscents(step, Runtime(device=device))
    ended = bound.climb(z, options=options, before_step=lambda: steps.append(1))
    return ended, climb(on_host, z, options=options, before_step=lambda: None), len(steps)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "options",
    [
        {"steps": 1},
        {"steps": 2},
        {"steps": 31, "step_size": 0.1},
        {"steps": 20, "latent_prior": 0.4},
        {"steps": 20, "repulsion": 0.8, "latent_prior": 0.1},
    ],
)
def test_latents_scores_and_samples_are_those_of_the_host(step, on_host, device, options):
    z = starts(9)
    before = z.copy()
    found, expected, steps = both(step, on_host, device, z, **options)
    assert steps == options["steps"]
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=2e-4)
    assert np.abs(found[1] - z).max() > 1e-3
    assert np.array_equal(z, before)


@pytest.mark.parametrize("device", DEVICES)
def test_an_ascent_stops_early_where_the_host_does_or_at_the_next_look(step, on_host, device):
    z = starts(12)
    taken = []
    climb(
        on_host,
        z,
        options=AscentOptions(steps=400, early_stop=0.05),
        before_step=lambda: taken.append(1),
    )
    _, _, steps = both(step, on_host, device, z, steps=400, early_stop=0.05)
    assert len(taken) < 300
    assert len(taken) <= steps < len(taken) + CHECK_EVERY
    assert steps % CHECK_EVERY == 0


@pytest.mark.parametrize("device", DEVICES)
def test_one_ascent_leaves_nothing_behind_for_the_next(step, device):
    bound = BoundAscents(step, Runtime(device=device))
    options = AscentOptions(steps=15, step_size=0.2)

    def run(z):
        return bound.climb(z, options=options, before_step=lambda: None)

    first = run(starts(6))
    run(starts(6, seed=1))
    run(starts(4, seed=2))
    again = run(starts(6))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one, other)
    kept = [each.copy() for each in first]
    run(starts(6, seed=3))
    for one, other in zip(first, kept, strict=True):
        assert np.array_equal(one, other)


def test_tensors_of_few_sizes_are_kept(step, monkeypatch):
    monkeypatch.setattr("query_server.models.bound_ascent._MOST_KEPT", 2)
    bound = BoundAscents(step, Runtime(device="cpu"))
    for count in (1, 2, 3, 1, 5):
        ended = bound.climb(starts(count), options=AscentOptions(steps=3), before_step=lambda: None)
        assert ended[1].shape == (count, 64)
    assert [count for _, count in bound._ascents] == [1, 5]


def test_a_captured_session_goes_with_the_tensors_it_was_made_for(step, monkeypatch):
    monkeypatch.setattr("query_server.models.bound_ascent._MOST_KEPT", 2)
    runtime = Runtime(device="cpu")
    runtime.captures = True  # sessions are then of one number of latents, as those that are captured
    bound = BoundAscents(step, runtime)
    for count, repulsion in ((3, 0.0), (4, 0.0), (3, 0.5), (4, 0.0), (5, 0.5)):
        options = AscentOptions(steps=1, repulsion=repulsion)
        bound.climb(starts(count), options=options, before_step=lambda: None)
    assert set(bound._sessions) == set(bound._ascents) == {(False, 4), (True, 5)}


def test_a_latent_without_a_finite_gradient_is_told_by_its_score_alone(step, on_host):
    z = starts(5)
    z[2, 7] = np.nan
    found, _, _ = both(step, on_host, "cpu", z, steps=4)
    assert np.isnan(found[2]).tolist() == [False, False, True, False, False]


def test_what_before_step_raises_ends_the_ascent_and_the_next_one_works(step):
    bound = BoundAscents(step, Runtime(device="cpu"))
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 4:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        bound.climb(starts(5), options=AscentOptions(steps=10), before_step=stop)
    assert len(calls) == 4
    ended = bound.climb(starts(5), options=AscentOptions(steps=10), before_step=lambda: None)
    assert np.isfinite(ended[2]).all()


@pytest.mark.parametrize("repulsion", [False, True])
def test_every_state_of_the_loop_has_its_successor_and_no_step_reads_what_it_writes(step, repulsion):
    graph = with_loop(step, repulsion=repulsion).graph
    onnx.checker.check_model(with_loop(step, repulsion=repulsion))
    settings = SETTINGS if repulsion else SETTINGS[:-1]
    assert {value.name for value in graph.input} == {*STATES, *settings}
    assert {value.name for value in graph.output} == {"score", "x", *(f"{name}_next" for name in STATES)}


def test_asking_for_cuda_where_there_is_none_runs_on_the_cpu_and_says_why(caplog):
    why_not = why_not_cuda()
    if why_not is None:
        pytest.skip("ONNX Runtime computes on a GPU here")
    assert why_not
    with caplog.at_level(logging.WARNING):
        runtime = Runtime(device="cuda")
    assert runtime.device == "cpu"
    assert not runtime.captures
    assert "running on the CPU" in caplog.text
    assert why_not in caplog.text


def test_the_limit_and_the_capture_reach_the_provider():
    assert "gpu_mem_limit" not in cuda_options(0)
    assert cuda_options(2**30)["gpu_mem_limit"] == str(2**30)
    assert "enable_cuda_graph" not in cuda_options(0)
    assert cuda_options(0)["use_tf32"] == "0"  # else ONNX Runtime takes it
    assert cuda_options(0, tf32=True)["use_tf32"] == "1"
    assert cuda_options(0, captured=True)["enable_cuda_graph"] == "1"
    assert all(isinstance(value, str) for value in cuda_options(1, captured=True).values())


@pytest.mark.gpu
@pytest.mark.skipif(why_not_cuda() is not None, reason="needs ONNX Runtime on a GPU")
def test_a_captured_ascent_ends_where_one_that_is_not_does(step, on_host):
    from query_server.models.runtime import GpuRuntimeOptions

    runtime = Runtime(device="cuda", gpu=GpuRuntimeOptions(cuda_graphs=True))
    bound = BoundAscents(step, runtime)
    options = AscentOptions(steps=25)
    for count in (7, 3, 7):
        found = bound.climb(starts(count), options=options, before_step=lambda: None)
        expected = climb(on_host, starts(count), options=options, before_step=lambda: None)
        np.testing.assert_allclose(found[1], expected[1], atol=2e-3)
    assert runtime.captures


def test_a_graph_that_is_captured_is_made_for_its_number_of_latents(step):
    """What a CUDA graph is captured of has no dimension left to vary; the CPU loads the same graph."""
    runtime = Runtime(device="cpu")
    graph = with_loop(step, repulsion=True)
    shapes = {
        value.name: value.shape for value in runtime.session(graph, captured_rows=7)._inner.get_inputs()
    }
    assert shapes["z"] == shapes["mean"] == [7, 64]
    free = {value.name: value.shape for value in runtime.session(graph)._inner.get_inputs()}
    assert free["z"][0] == "B"
