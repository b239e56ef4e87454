"""Worker processes: the same answers as in process, whoever dies, stalls or leaves."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks.hostile import growth
from benchmarks.hostile.making import Maker
from query_server.acquisition import HeadCondition, acquisition_function, class_prior_weights
from query_server.ascending import AscentOptions
from query_server.errors import DowserError, Reason, cancelled, deadline_exceeded
from query_server.models import Bundle, ClassifierStore, Runtime
from query_server.models.sandbox import Sandbox, SandboxConfig, SandboxedClassifiers
from query_server.models.sandbox.quarantine import FAILURES
from query_server.models.sandbox.sandbox import WorkerFaultError
from query_server.patience import waiting_caller
from query_server.timing import StageClock
from samples import Preprocessing

ENTROPY = acquisition_function("maximum_entropy")
MAKER = Maker(shape=(1, 8, 8), classes=10)


def worker_pids() -> list[int]:
    """Processes that this one started as workers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if b"query_server.models.sandbox.worker" in words and parent == os.getpid():
            found.append(int(entry.name))
    return found


def refused(call, *arguments, **options) -> DowserError:
    with pytest.raises(DowserError) as caught:
        call(*arguments, **options)
    return caught.value


def eventually(holds) -> None:
    for _ in range(2400):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")


def test_a_worker_answers_bit_for_bit_as_the_server_itself_would(
    digits_bundle, digits, classifier_bytes, tmp_path
):
    runtime = Runtime(device="cpu", threads=2)
    bundle = Bundle.open(digits_bundle, runtime)
    sandbox = Sandbox(SandboxConfig(workers=1, threads=2), bundle)
    try:
        here = ClassifierStore(tmp_path / "here", bundle=bundle, runtime=runtime)
        there = SandboxedClassifiers(tmp_path / "there", bundle=bundle, sandbox=sandbox)
        info = here.add(classifier_bytes)
        assert there.add(classifier_bytes) == info == there.info(info.id)
        x = bundle.preprocessing.to_input(digits.pool[:500])
        z = np.random.default_rng(0).standard_normal((6, bundle.latent_dim), dtype=np.float32)
        condition = HeadCondition(class_weights=class_prior_weights(np.arange(10), 1.0))
        for given in (None, condition):
            ours, theirs = (store.compiled(info.id, ENTROPY, given) for store in (here, there))
            assert (theirs.classes, theirs.latent_dim, theirs.has_gradient) == (10, bundle.latent_dim, True)
            for name, values in vars(ours.score(x)).items():
                np.testing.assert_array_equal(getattr(theirs.score(x), name), values)
            options = AscentOptions(steps=20)
            mine = ours.ascend(z, options=options, before_step=lambda: None)
            other = theirs.ascend(z, options=options, before_step=lambda: None)
            for name, values in vars(mine).items():
                np.testing.assert_array_equal(getattr(other, name), values)
            np.testing.assert_array_equal(theirs.encode(x[:5]), bundle.encode(x[:5]))
        again = SandboxedClassifiers(tmp_path / "there", bundle=bundle, sandbox=sandbox)
        assert again.info(info.id) == info
    finally:
        sandbox.close()


@pytest.mark.parametrize("scale", [1.0, np.float32(2 / 255).item()])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_raw_samples_score_bit_for_bit_as_their_inputs(make_sandbox, digits, sound_bytes, scale, dtype):
    raw = digits.pool[:300].astype(dtype)
    preprocessing = Preprocessing(
        layout="hw", raw_dtype=raw.dtype.name, raw_shape=(8, 8), scale=scale, offset=-0.7
    )
    _, classifiers = make_sandbox()
    scorer = classifiers.compiled(classifiers.add(sound_bytes).id, ENTROPY)
    said, expected = scorer.score_raw(raw, preprocessing), scorer.score(preprocessing.to_input(raw))
    assert said.scores.tobytes() == expected.scores.tobytes()
    assert said.probabilities.tobytes() == expected.probabilities.tobytes()


def test_time_in_a_worker_counts_as_the_engines(make_sandbox, sound_bytes, samples):
    _, classifiers = make_sandbox()
    compiled = classifiers.compiled(classifiers.add(sound_bytes).id, ENTROPY)
    clock = StageClock()
    with clock.stage("score"):
        compiled.score(samples)
    (timing,) = clock.timings()
    assert 0 < timing.engine_seconds < timing.seconds


def test_a_compiled_classifier_is_reused_and_an_unknown_one_refused(make_sandbox, sound_bytes):
    _, classifiers = make_sandbox()
    uploaded = classifiers.add(sound_bytes).id
    assert classifiers.compiled(uploaded, ENTROPY) is classifiers.compiled(uploaded, ENTROPY)
    assert refused(classifiers.info, "sha256:" + "0" * 64).reason is Reason.CLASSIFIER_NOT_FOUND
    assert refused(classifiers.info, "../../etc/passwd").reason is Reason.CLASSIFIER_NOT_FOUND


def test_an_upload_above_the_limit_reaches_no_worker(make_sandbox, sound_bytes):
    _, classifiers = make_sandbox(max_bytes=1024)
    error = refused(classifiers.add, sound_bytes)
    assert (error.reason, error.metadata["code"]) == (Reason.CLASSIFIER_REJECTED, "TOO_LARGE")
    assert "1024" in error.message


def test_a_worker_keeps_a_few_compiled_classifiers_and_loads_the_others_again(
    make_sandbox, sound_bytes, samples
):
    _, classifiers = make_sandbox(max_compiled=1)
    uploaded = classifiers.add(sound_bytes).id
    names = ("maximum_entropy", "margin", "maximum_entropy", "least_confidence", "margin")
    for name in names:
        compiled = classifiers.compiled(uploaded, acquisition_function(name))
        assert np.isfinite(compiled.score(samples).scores).all()


def test_a_fault_of_our_own_is_not_told_as_the_classifiers(make_sandbox, sound_bytes, samples):
    sandbox, classifiers = make_sandbox()
    compiled = classifiers.compiled(classifiers.add(sound_bytes).id, ENTROPY)
    for _ in range(FAILURES + 1):
        with pytest.raises(WorkerFaultError, match=r"ascend of sha256:.*TypeError.*unexpected keyword"):
            compiled._run("ascend", header={"options": {"of_no_ascent": 1}}, arrays={"z": samples[:2, 0]})
    assert sandbox.restarts == 0
    assert np.isfinite(compiled.score(samples).scores).all()


def test_an_upload_that_is_gone_costs_no_worker(make_sandbox, sound_bytes, samples):
    sandbox, classifiers = make_sandbox()
    uploaded = classifiers.add(sound_bytes).id
    function = acquisition_function("margin")
    (file,) = classifiers.file(uploaded).parent.iterdir()

    class GoesMeanwhile:
        name = function.name

        def head(self, *arguments, **options):
            file.unlink()
            return function.head(*arguments, **options)

    assert refused(classifiers.compiled, uploaded, GoesMeanwhile()).reason is Reason.CLASSIFIER_NOT_FOUND
    assert sandbox.restarts == 0
    again = classifiers.compiled(classifiers.add(sound_bytes).id, ENTROPY)
    assert np.isfinite(again.score(samples).scores).all()


def test_what_kills_a_worker_fails_its_own_request_and_no_later_one(make_sandbox, sound_bytes, samples):
    sandbox, classifiers = make_sandbox(job_seconds=3)
    slow = classifiers.add(growth.products_that_grow_with_the_cube_of_the_batch(MAKER)).id
    error = refused(classifiers.compiled(slow, ENTROPY).score, samples)
    assert (error.reason, error.metadata["what"]) == (Reason.CLASSIFIER_FAILED, "deadline")
    assert (error.metadata["classifier_id"], error.metadata["limit"]) == (slow, "3 s")
    sound = classifiers.compiled(classifiers.add(sound_bytes).id, ENTROPY)
    assert np.isfinite(sound.score(samples).scores).all()
    assert set(sandbox.restarts_by_cause) <= {"deadline"}


def test_a_classifier_that_needs_too_much_memory_says_so(make_sandbox, samples):
    _, classifiers = make_sandbox()
    large = classifiers.add(growth.sixteen_million_numbers_a_sample(MAKER)).id
    error = refused(classifiers.compiled(large, ENTROPY).score, samples)
    assert (error.metadata["what"], error.metadata["limit"]) == ("memory", f"{2**29} bytes")


def test_a_classifier_that_keeps_taking_workers_down_is_run_no_more(make_sandbox, sound_bytes, samples):
    sandbox, classifiers = make_sandbox()
    large = classifiers.compiled(classifiers.add(growth.outer_product_of_the_whole_batch(MAKER)).id, ENTROPY)
    for _ in range(FAILURES):
        assert "memory" in refused(large.score, samples).metadata["what"]
    restarts = sandbox.restarts
    error = refused(large.score, samples)
    assert error.reason is Reason.CLASSIFIER_FAILED
    assert "not run again" in error.message
    assert sandbox.restarts == restarts
    assert classifiers.add(sound_bytes).classes == 10


def test_workers_that_die_at_rest_are_replaced_unnoticed(make_sandbox, sound_bytes, samples):
    sandbox, classifiers = make_sandbox()
    compiled = classifiers.compiled(classifiers.add(sound_bytes).id, ENTROPY)
    expected = compiled.score(samples).scores
    eventually(lambda: len(worker_pids()) == 2)
    for pid in worker_pids():
        os.kill(pid, signal.SIGSEGV)
    np.testing.assert_array_equal(compiled.score(samples).scores, expected)
    assert sandbox.restarts >= 1


def busy_pids(sandbox) -> set[int]:
    return {worker.pid for worker in sandbox._staff._busy}


def test_a_worker_killed_at_work_is_replaced_and_the_answer_comes(make_sandbox, sound_bytes, samples):
    sandbox, classifiers = make_sandbox()
    compiled = classifiers.compiled(classifiers.add(sound_bytes).id, ENTROPY)
    z, options = samples[:50].reshape(50, 64), AscentOptions(steps=2000)
    expected = compiled.ascend(z, options=options, before_step=lambda: None)
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(compiled.ascend, z, options=options, before_step=lambda: None)
        eventually(lambda: busy_pids(sandbox))
        for pid in busy_pids(sandbox):
            os.kill(pid, signal.SIGKILL)
        np.testing.assert_array_equal(future.result(timeout=60).x, expected.x)
    assert sandbox.restarts == 1


def test_a_classifier_whose_workers_die_again_is_to_blame(make_sandbox, samples):
    sandbox, classifiers = make_sandbox()
    slow = classifiers.compiled(
        classifiers.add(growth.products_that_grow_with_the_cube_of_the_batch(MAKER)).id, ENTROPY
    )
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(slow.score, samples)
        killed: set[int] = set()
        for _ in range(3):
            eventually(lambda: busy_pids(sandbox) - killed)
            for pid in busy_pids(sandbox) - killed:
                os.kill(pid, signal.SIGABRT)
                killed.add(pid)
        error = future.exception(timeout=60)
    assert isinstance(error, DowserError)
    assert (error.metadata["what"], "SIGABRT" in error.message) == ("crash", True)


def test_a_caller_that_leaves_stops_the_ascent_and_the_worker_stays(make_sandbox, sound_bytes, samples):
    sandbox, classifiers = make_sandbox()
    compiled = classifiers.compiled(classifiers.add(sound_bytes).id, ENTROPY)
    compiled.prepare_ascent()

    def leave() -> None:
        raise cancelled("synthesize")

    z = samples[:50].reshape(50, 64)
    error = refused(compiled.ascend, z, options=AscentOptions(steps=10_000), before_step=leave)
    assert error.reason is Reason.CANCELLED
    assert sandbox.restarts == 0
    assert np.isfinite(compiled.score(samples).scores).all()


def test_a_caller_that_leaves_a_run_that_does_not_stop_has_its_worker_killed(make_sandbox, samples):
    sandbox, classifiers = make_sandbox()
    slow = classifiers.compiled(
        classifiers.add(growth.products_that_grow_with_the_cube_of_the_batch(MAKER)).id, ENTROPY
    )
    left = threading.Event()

    def checkpoint(stage: str) -> None:
        if left.is_set():
            raise deadline_exceeded(stage)

    def score() -> None:
        with waiting_caller(checkpoint):
            slow.score(samples)

    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(score)
        left.set()
        with pytest.raises(DowserError) as caught:
            future.result(timeout=60)
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    assert set(sandbox.restarts_by_cause) <= {"cancelled"}


def test_a_bad_classifier_never_has_all_workers(make_sandbox, sound_bytes, samples):
    sandbox, classifiers = make_sandbox(workers=2, job_seconds=20)
    slow = classifiers.compiled(
        classifiers.add(growth.products_that_grow_with_the_cube_of_the_batch(MAKER)).id, ENTROPY
    )
    left = threading.Event()

    def checkpoint(stage: str) -> None:
        if left.is_set():
            raise cancelled(stage)

    def hog() -> None:
        with waiting_caller(checkpoint):
            slow.score(samples)

    with ThreadPoolExecutor(3) as executor:
        hogs = [executor.submit(hog) for _ in range(3)]
        eventually(lambda: sandbox.queue_depth == 2)
        sound = classifiers.compiled(classifiers.add(sound_bytes).id, ENTROPY)
        assert np.isfinite(sound.score(samples).scores).all()
        assert not any(future.done() for future in hogs)
        left.set()
        for future in hogs:
            assert isinstance(future.exception(timeout=60), DowserError)
    assert sandbox.queue_depth == 0


def test_a_classifier_on_trial_takes_down_no_worker_that_another_needs(make_sandbox, sound_bytes, samples):
    sandbox, classifiers = make_sandbox(workers=2)
    large = classifiers.compiled(classifiers.add(growth.outer_product_of_the_whole_batch(MAKER)).id, ENTROPY)
    sound = classifiers.add(sound_bytes).id
    classifiers.compiled(sound, ENTROPY).score(samples)
    eventually(lambda: len(sandbox._staff._idle) == 3)
    (needed,) = [worker.pid for worker in sandbox._staff._idle if worker.held and sound in worker.ran]
    for pid in set(worker_pids()) - {needed}:
        os.kill(pid, signal.SIGKILL)
    assert "memory" in refused(large.score, samples).metadata["what"]
    assert needed in worker_pids()


def test_while_a_worker_is_stopping_the_one_in_reserve_works(make_sandbox):
    sandbox, _ = make_sandbox(workers=2)
    give_up = time.monotonic() + 60

    def tick() -> None:
        if time.monotonic() > give_up:
            raise TimeoutError("no worker was handed out")

    def acquire(name: str):
        return sandbox._staff.acquire(name, "", unused=False, proven=True, tick=tick)

    first, second = acquire("first"), acquire("second")
    first.ask_to_stop()
    assert acquire("third") not in (first, second)
    assert sandbox.busy == 3


def test_workers_know_nothing_of_the_servers_environment(make_sandbox, monkeypatch):
    monkeypatch.setenv("DOWSER_SECRET", "hunter2")
    sandbox, _ = make_sandbox()
    sandbox.wait_until_ready()
    for pid in worker_pids():
        assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_workers_end_with_the_sandbox(make_sandbox):
    sandbox, _ = make_sandbox()
    sandbox.wait_until_ready()
    assert worker_pids()
    sandbox.close()
    assert not worker_pids()


def test_workers_of_low_priority_yield_as_processes_and_as_sessions(digits_bundle):
    bundle = Bundle.open(digits_bundle, Runtime(device="cpu"))
    sandbox = Sandbox(SandboxConfig(workers=1, niceness=19), bundle)
    try:
        sandbox.wait_until_ready()
        (pid, *_) = worker_pids()
        assert os.getpriority(os.PRIO_PROCESS, pid) == 19
        group = Path(f"/proc/{pid}/autogroup")
        if group.exists():
            assert group.read_text().split()[-1] == "19"
    finally:
        sandbox.close()
