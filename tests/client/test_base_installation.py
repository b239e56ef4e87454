"""The client with nothing but grpcio, protobuf and numpy: it works, and what needs more says what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own: whatever is no part of the base installation cannot be imported there.
BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

OWN = {"client", "graphs", "samples", "dowser"}
BASE = {"grpc", "google", "numpy", "typing_extensions"}

class Blocker(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        root = name.partition(".")[0]
        if root in sys.stdlib_module_names | OWN | BASE or root.startswith("_"):
            return None
        raise ModuleNotFoundError(f"No module named {name!r}", name=root)

sys.meta_path.insert(0, Blocker())
"""


def run_blocked(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_round_by_hand_needs_no_extra(server, tmp_path: Path) -> None:
    code = """
import uuid
from client import Client, Random
from client.cli import main

target, out = sys.argv[1:]
with Client.connect(target) as client:
    campaign = client.create_campaign(uuid.uuid4().hex)
    ids = client.select_samples(campaign, budget=3, strategy=Random()).pool_ids
    client.get_pool().to_inputs(client.get_samples(ids))
    label = ["label", campaign.name, *(f"{i}=1" for i in ids)]
    export = ["campaigns", "export", campaign.name, "--out", out]
    for command in (label, export):
        assert main([*command, "--target", target]) == 0
    client.delete_campaign(campaign)
"""
    done = run_blocked(code, server.target, str(tmp_path / "labels.csv"))
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("call", "extra"),
    [
        ("client.export_classifier(object(), (1, 8, 8))", "export"),
        (
            "client.export_linear(SimpleNamespace(coef_=[[1.0]], intercept_=[0.0], classes_=[0, 1]), (1,))",
            "sklearn",
        ),
        ("client.export_sklearn(object(), (1, 8, 8))", "sklearn"),
        ("client.OnnxScorer(b'', None, None)", "export"),
        ("dump_campaign(CampaignData(), 'parquet')", "parquet"),
    ],
)
def test_what_needs_more_says_what_to_install(call: str, extra: str) -> None:
    code = f"""
from types import SimpleNamespace
import client
from client.campaign_files import CampaignData, dump_campaign
try:
    {call}
except client.MissingExtraError as error:
    print(error)
"""
    done = run_blocked(code)
    assert f'pip install "dowser-al[{extra}]"' in done.stdout, done.stderr
