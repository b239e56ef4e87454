"""The `dowser` command: its reading and writing alone, then against the real server."""

from __future__ import annotations

import io
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

import grpc
import numpy as np
import pytest

from client import Campaign, TlsConfig
from client.cli import main
from client.commands.connection import connect, options
from client.commands.files import read_array, read_labels, samples_of
from client.commands.output import cell, print_json, print_table
from client.errors import InputError
from tests.client.peer import Peer, refusal


def test_labels_are_read_from_arguments_and_csv(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("pool_id,label\n3,1\n\n4,0\n")
    assert read_labels(["1=7"], str(file)) == {1: 7, 3: 1, 4: 0}


def test_labels_are_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("3,1\n4,0\n"))
    assert read_labels([], "-") == {3: 1, 4: 0}


@pytest.mark.parametrize("argument", ["1", "1=", "a=1", "1=2=3", "1=0.5"])
def test_what_is_no_label_is_named(argument: str) -> None:
    with pytest.raises(InputError, match=argument):
        read_labels([argument], None)


def test_a_first_line_of_numbers_is_no_header(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("-1,3\n4,0\n")
    assert read_labels([], str(file)) == {-1: 3, 4: 0}  # for the server to refuse, and not to be left out


def test_a_broken_line_is_named_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("3,1\n4\n")
    with pytest.raises(InputError, match="line 2"):
        read_labels([], str(file))


def test_two_labels_for_one_sample_are_refused() -> None:
    with pytest.raises(InputError, match="labeled 1 already"):
        read_labels(["5=1", "5=2"], None)


@pytest.mark.parametrize("content", ["archive", "number", "nothing", "text"])
def test_what_is_no_array_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "samples.npy"
    match content:
        case "archive":
            np.savez(file.with_suffix(".npz"), a=np.zeros(3))
            file.with_suffix(".npz").rename(file)
        case "number":
            np.save(file, np.uint8(1))
        case "nothing":
            file.touch()
        case "text":
            file.write_text("1 2 3")
    for read in (read_array, samples_of):
        with pytest.raises(InputError, match=r"samples\.npy"):
            read(file)


def test_shapes_are_joined_and_other_tuples_listed() -> None:
    assert cell((1, 28, 28)) == "1x28x28"
    assert cell(("margin", "bald")) == "margin, bald"


def test_tables_put_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "size"), [{"name": "a", "size": 5}, {"name": "long", "size": 1234}])
    assert capsys.readouterr().out.splitlines() == ["NAME  SIZE", "a        5", "long  1234"]


def test_an_empty_table_still_has_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "size"), [])
    assert capsys.readouterr().out == "NAME  SIZE\n"


def test_json_holds_arrays_times_and_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(
        campaign_id="c",
        name="n",
        pool="p",
        create_time=datetime(2030, 1, 2, tzinfo=UTC),
        labeled=1,
        leased=0,
        unlabeled=2,
        rounds=0,
        seed=2**64 - 1,
    )
    print_json({"campaign": campaign, "scores": np.array([1.5, np.nan], np.float32)})
    read = json.loads(capsys.readouterr().out)
    assert read["scores"] == [1.5, None]
    assert read["campaign"]["create_time"] == "2030-01-02T00:00:00+00:00"
    assert read["campaign"]["seed"] == 2**64 - 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["classifiers"],
        ["select", "c"],
        ["search"],
        ["release", "c"],
        ["release", "c", "3", "--all"],
        ["search", "--ids", "1", "--features", "f"],
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_server_that_is_not_there_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pools", "--target", "127.0.0.1:1", "--timeout", "0.5"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("dowser: no server answers at 127.0.0.1:1")
    assert printed.err.count("\n") == 1


def test_a_missing_token_says_where_to_give_it(
    peer: Peer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "classifier.onnx").write_bytes(b"model")
    peer.refusals = [refusal(grpc.StatusCode.UNAUTHENTICATED, "no token", reason="UNAUTHENTICATED")]
    file = str(tmp_path / "classifier.onnx")
    assert main(["classifiers", "upload", file, "--target", peer.target]) == 1
    assert "no token [UNAUTHENTICATED]; name its file with --token-file" in capsys.readouterr().err


@pytest.mark.parametrize("group", [["campaigns"], ["jobs"]])
def test_options_before_the_action_are_kept(group: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = ["--target", "127.0.0.1:1", "--timeout", "0.5"]
    for arguments in ([*group, *nowhere, "list"], [*group, "list", *nowhere]):
        assert main(arguments) == 1
        assert "127.0.0.1:1" in capsys.readouterr().err


def test_the_certificates_name_implies_tls() -> None:
    parsed = options().parse_args(["--tls-server-name", "dowser", "--target", "127.0.0.1:1"])
    with connect(parsed) as client:
        assert client._settings.tls == TlsConfig(server_name="dowser")


@pytest.mark.parametrize(
    ("strategy", "option"),
    [("random", "--max-scored"), ("exhaustive", "--max-scored"), ("random-subset", "--latents")],
)
def test_an_option_that_a_strategy_does_not_take_is_refused(
    strategy: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "select",
        "c",
        "--budget",
        "3",
        "--strategy",
        strategy,
        option,
        "5",
        "--target",
        "127.0.0.1:1",
    ]
    assert main(arguments) == 1
    assert f"{option} does nothing with --strategy {strategy}; dowser" in capsys.readouterr().err


@pytest.fixture
def run(server, capsys: pytest.CaptureFixture[str]):
    """Run a command with --json and return what it printed, read."""

    def run(*arguments: object):
        code = main([*map(str, arguments), "--json", "--target", server.target])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return json.loads(printed.out)

    return run


@pytest.fixture
def name(run):
    made = run("campaigns", "create", f"cli-{uuid.uuid4().hex}")["name"]
    yield made
    run("campaigns", "delete", made)


def test_pools_are_listed(run, digits) -> None:
    (pool,) = run("pools")
    assert (pool["name"], pool["size"], pool["raw_dtype"]) == ("digits", len(digits.pool), "uint8")


def test_a_round_by_hand(run, name: str, classifier_bytes: bytes, tmp_path: Path) -> None:
    file = tmp_path / "classifier.onnx"
    file.write_bytes(classifier_bytes)
    uploaded = run("classifiers", "upload", file)
    assert run("classifiers", "get", uploaded["classifier_id"]) == uploaded
    selection = run("select", name, "--budget", 4, "--classifier", file, "--steps", 5, "--max-scored", 50)
    assert len(selection["pool_ids"]) == 4
    first, second, *rest = selection["pool_ids"]
    assert run("label", name, f"{first}=3", f"{second}=5") == {"recorded": 2, "labeled": 2}
    assert [lease["pool_id"] for lease in run("leases", name)] == sorted(rest)
    assert run("release", name, rest[0]) == {"released": 1}
    assert run("release", name, "--all") == {"released": 1}
    assert [(each["pool_id"], each["label"]) for each in run("labels", name)] == [(first, 3), (second, 5)]
    campaign = run("campaigns", "get", name)
    assert (campaign["labeled"], campaign["leased"], campaign["rounds"]) == (2, 0, 1)
    assert campaign in run("campaigns", "list")
    assert campaign in run("campaigns")


def test_all_leases_are_extended_and_released_in_as_many_calls_as_they_need(
    run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.commands.leases.ENTRIES_PER_CALL", 2)
    run("select", name, "--budget", 5, "--strategy", "random")
    assert run("extend", name, "--all", "--seconds", 60) == {"extended": 5, "not_leased": []}
    assert run("release", name, "--all") == {"released": 5}
    assert run("release", name, "--all") == {"released": 0}


def test_a_selection_can_be_scored_here(
    run, name: str, digits, classifier_bytes: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "classifier.onnx"
    file.write_bytes(classifier_bytes)
    options = ("--budget", 4, "--max-scored", 50, "--classifier", file, "--seed", 3)
    here = run("select", name, *options, "--samples", digits.pool_file)
    assert run("release", name, "--all") == {"released": 4}
    assert run("select", name, *options)["pool_ids"] == here["pool_ids"]


def test_scoring_here_needs_the_classifiers_file_and_every_sample(
    server, name: str, classifier_bytes: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, few = tmp_path / "classifier.onnx", tmp_path / "few.npy"
    model.write_bytes(classifier_bytes)
    np.save(few, np.zeros((3, 8, 8), np.uint8))
    for classifier, why in ((f"sha256:{'0' * 64}", "--classifier FILE"), (model, "has 3 samples")):
        options = ("--budget", 4, "--classifier", classifier, "--samples", few, "--target", server.target)
        assert main(["select", name, *map(str, options)]) == 1
        assert why in capsys.readouterr().err


def test_neighbors_are_searched_by_id_and_by_file(run, digits, tmp_path: Path) -> None:
    np.save(tmp_path / "queries.npy", digits.pool[[9]])
    by_id = run("search", "--ids", 9, "-k", 3)
    by_file = run("search", "--samples", tmp_path / "queries.npy", "-k", 3)
    assert by_id["pool_ids"] == by_file["pool_ids"]
    assert by_id["pool_ids"][0][0] == 9


def test_people_get_a_table(server, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["select", name, "--budget", "3", "--strategy", "random", "--target", server.target]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["POOL_ID", "SCORE"]
    assert lines[-1].startswith("round 1: 3 picked")


def test_a_refusal_is_one_line_on_stderr(server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["campaigns", "get", "no-such", "--target", server.target]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("dowser: ")
    assert "CAMPAIGN_NOT_FOUND" in printed.err
    assert printed.err.count("\n") == 1
