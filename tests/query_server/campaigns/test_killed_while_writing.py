import json
import signal
import subprocess
import sys
from pathlib import Path

from query_server.campaigns import Request
from tests.query_server.campaigns._bookkeeper import KINDS, PER_STEP, open_store, write

WRITER = Path(__file__).with_name("_bookkeeper.py")
ROOT = Path(__file__).parents[3]


def test_every_kind_of_write_survives_kill_9_once_acknowledged_and_answers_the_same_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.sqlite"
    store = open_store(path)
    store.create("c", "pool", 0, Request(id="create", method="create", fingerprint=b""))
    store.close()
    acknowledged: list[tuple[str, int, int, object]] = []
    for life, kind in enumerate(KINDS):  # killed right after each kind, within the write that follows it
        writer = subprocess.Popen(
            [sys.executable, str(WRITER), str(path), str(life)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}:{ROOT / 'tests'}"},
        )
        assert writer.stdout is not None
        lines = []
        for line in writer.stdout:
            lines.append(line)
            if len(lines) > 12 and json.loads(line)[0] == kind:
                break
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
        writer.wait()
        writer.stdout.close()
        acknowledged += [tuple(json.loads(line)) for line in lines if line.endswith("\n")]

    store = open_store(path)
    try:
        pool_ids, labels = store.labels("c")
        recorded = dict(zip(pool_ids.tolist(), labels.tolist(), strict=True))
        terms = {term.pool_id: term for term in store.lease_terms("c")}
        done = {(kind, life, step) for kind, life, step, _ in acknowledged}
        imported = {info.name for info in store.list()} - {"c"}
        for kind, life, step in done:
            first = (life * 1000 + step) * PER_STEP
            if kind == "label":
                assert recorded[first] == (2 if ("correct", life, step) in done else recorded[first])
                assert recorded[first + 2] == 1
            elif kind == "retract":
                assert first + 1 not in recorded
            elif kind == "extend":
                term = terms[first + 3]
                assert term.expire_time is not None
                assert term.expire_time - term.lease_time >= 10_000
            elif kind == "import":
                assert store.labels(f"{life}-{step}")[0].tolist() == [first]
        leased = {(life * 1000 + step) * PER_STEP + 3 for kind, life, step in done if kind == "lease"}
        assert leased <= terms.keys()
        # At most the one write of each life that was under way is there beside what was acknowledged.
        kinds = [kind for kind, _, _ in done]
        assert kinds.count("import") <= len(imported) <= kinds.count("import") + len(KINDS)
        assert len(leased) <= len(terms) <= len(leased) + len(KINDS)
        before = (store.list(), store.history_page("c"))
        for kind, life, step, answer in acknowledged:
            assert json.loads(json.dumps(write(store, kind, life, step))) == answer
        assert (store.list(), store.history_page("c")) == before
    finally:
        store.close()
