"""Readiness of a real server that drains."""

from __future__ import annotations

import threading
import time

from metrics_port import fetch, free_port, wait_until_working
from processes import start_server

from client import Client, Dowser


def test_a_draining_server_is_alive_and_not_ready_until_its_last_answer(
    digits_bundle, digits_index, classifier_bytes, tmp_path
):
    port = free_port()
    server = start_server(digits_bundle, digits_index, tmp_path / "state", "--metrics-port", port)
    assert fetch(port, "/readyz") == (200, "ready\n")
    answers, prepared = [], threading.Event()

    def select():
        with Client.connect(server.target) as client:
            classifier = client.upload_classifier(classifier_bytes).classifier_id
            client.create_campaign("slow")
            prepared.set()
            strategy = Dowser(max_scored=200, steps=3000, early_stop=0, shares={"synthesis": 1.0})
            answers.append(client.select_samples("slow", classifier=classifier, budget=10, strategy=strategy))

    caller = threading.Thread(target=select)
    caller.start()
    prepared.wait(60)
    wait_until_working(port)
    server.process.terminate()
    while (ready := fetch(port, "/readyz"))[0] == 200:
        time.sleep(0.01)
    assert ready == (503, "draining: the server was told to stop\n")
    assert fetch(port, "/livez") == (200, "alive\n")
    caller.join()
    assert len(answers) == 1
    assert server.process.wait(60) == 0
