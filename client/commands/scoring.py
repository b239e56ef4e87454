"""The commands of `dowser` that score without selecting: `score`, which fetches a job's shards, and `jobs`."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client.atomic import write_whole
from client.commands.files import read_ids
from client.commands.output import items, print_json, print_table, print_value
from client.commands.subcommands import Subcommands, add_pool_option
from client.errors import FailedPreconditionError, InputError, InvalidArgumentError, NotFoundError
from client.sync_client import Client
from client.types.acquisition import Acquisition
from client.types.scoring import ScoreJob, ScoreJobState

_ASKED = ".dowser-score.json"
_LOOK_SECONDS = 0.5


def add_score(commands: Subcommands) -> None:
    """Add `score`."""
    sub = commands.add(
        "score", _score, "score a whole pool into Parquet shards; run again, it fetches the rest"
    )
    add_pool_option(sub)
    sub.add_argument(
        "--classifier",
        required=True,
        metavar="ID|FILE",
        help="an uploaded classifier, or an ONNX file to upload",
    )
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the shards go")
    sub.add_argument(
        "--acquisition",
        action="append",
        choices=[str(each) for each in Acquisition],
        help="a column of scores; repeatable (default: margin)",
    )
    sub.add_argument("--ids", type=Path, metavar="FILE", help=".npy or lines of pool ids (default: all)")
    sub.add_argument("--probabilities", action="store_true", help="write class probabilities")
    sub.add_argument("--embedding", action="store_true", help="write the classifier's embedding")
    sub.add_argument("--shard-size", type=int, metavar="ROWS", help="rows of a shard (default: 100000)")


def add_jobs(commands: Subcommands) -> None:
    """Add `jobs` with its actions."""
    listing = commands.add("jobs", _jobs_list, "list, show and cancel score jobs")
    jobs = commands.actions_of(listing)
    jobs.add("list", _jobs_list, "list score jobs")
    jobs.add("get", _jobs_get, "show a score job").add_argument("job", help="its id")
    jobs.add("cancel", _jobs_cancel, "end a score job").add_argument("job", help="its id")


def _score(client: Client, arguments: argparse.Namespace) -> None:
    out: Path = arguments.out
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out}: {error}; choose another --out") from error
    classifier = arguments.classifier
    if not classifier.startswith("sha256:"):
        classifier = client.upload_classifier(Path(classifier), pool=arguments.pool).classifier_id
    ids = None if arguments.ids is None else read_ids(arguments.ids)
    options: dict[str, Any] = {
        "acquisitions": arguments.acquisition or [str(Acquisition.MARGIN)],
        "probabilities": arguments.probabilities,
        "embedding": arguments.embedding,
        "shard_size": arguments.shard_size,
        "pool": arguments.pool,
    }
    digest = None if ids is None else hashlib.sha256(ids.tobytes()).hexdigest()
    known = (out / _ASKED).exists()
    request_id = _request_id(out / _ASKED, {"classifier": classifier, "ids": digest, **options})
    try:
        job = client.start_score_pool(classifier, pool_ids=ids, request_id=request_id, **options)
    except (FailedPreconditionError, InvalidArgumentError, NotFoundError):
        if not known:
            (out / _ASKED).unlink()  # refused: the folder is no job's
        raise
    progress = _Progress(job.size)
    fetched: set[int] = set()
    try:
        while True:
            _fetch(client, job, out, fetched)
            progress.show(job)
            if job.state.has_ended:
                break
            time.sleep(_LOOK_SECONDS)
            job = client.get_score_job(job)
    except KeyboardInterrupt:
        progress.close()
        print(
            f"dowser: the job {job.job_id} goes on; run the command again to fetch the rest, or end it with "
            f"`dowser jobs cancel {job.job_id}`",
            file=sys.stderr,
        )
        raise
    progress.close()
    if job.state is not ScoreJobState.DONE:
        (out / _ASKED).unlink()  # asked again, it is another job
        raise FailedPreconditionError(
            f"the job {job.job_id} is {job.state}: {job.error}", reason=job.error_reason
        )
    said = {"job_id": job.job_id, "rows": sum(shard.rows for shard in job.shards), "shards": len(job.shards)}
    print_value({**said, "out": str(out)}, arguments.json)


def _request_id(path: Path, asked: Mapping[str, Any]) -> str:
    """Return the request id that a folder's job was started with, or make one.

    Raises:
        InputError: The folder is that of another job.
    """
    if path.exists():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            request_id = str(known.pop("request_id"))
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise InputError(f"cannot read {path}: {error}; choose another --out") from error
        if known != asked:
            raise InputError(
                f"{path.parent} holds scores that were asked for otherwise; choose another --out"
            )
        return request_id
    request_id = uuid.uuid4().hex
    write_whole(path, json.dumps({"request_id": request_id, **asked}).encode())
    return request_id


def _fetch(client: Client, job: ScoreJob, out: Path, fetched: set[int]) -> None:
    """Write the job's finished shards that are not there yet, and add their numbers to those fetched."""
    for shard in job.shards:
        path = out / f"shard-{shard.number:05d}.parquet"
        if shard.number in fetched:
            continue
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != shard.sha256:
            data = client.read_score_shard(job, shard.number)
            if hashlib.sha256(data).hexdigest() != shard.sha256:
                raise InputError(f"shard {shard.number} arrived damaged; run the command again")
            write_whole(path, data)
        fetched.add(shard.number)


class _Progress:
    """A bar on standard error: tqdm's where it is installed, else a line for each tenth."""

    def __init__(self, size: int) -> None:
        self._size = max(size, 1)  # an emptied pool's job has nothing to do
        self._tenths = 0
        self._bar: Any = None
        try:
            from tqdm import tqdm
        except ImportError:
            return
        self._bar = tqdm(total=size, unit="rows", unit_scale=True, desc="score", disable=None)

    def show(self, job: ScoreJob) -> None:
        """Show how far a job is."""
        if self._bar is not None:
            self._bar.set_description(str(job.state), refresh=False)
            self._bar.update(job.done - self._bar.n)
        elif job.done * 10 // self._size > self._tenths:
            self._tenths = job.done * 10 // self._size
            eta = "" if job.eta_seconds is None else f", {job.eta_seconds:.0f} s left"
            print(f"dowser: {job.done} of {self._size} rows{eta}", file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def _jobs_list(client: Client, arguments: argparse.Namespace) -> None:
    jobs = client.list_score_jobs()
    if arguments.json:
        return print_json(jobs)
    print_table(
        ("job_id", "pool", "state", "done", "size", "rows_per_second", "eta_seconds", "create_time"), jobs
    )


def _jobs_get(client: Client, arguments: argparse.Namespace) -> None:
    _print_job(client.get_score_job(arguments.job), arguments.json)


def _jobs_cancel(client: Client, arguments: argparse.Namespace) -> None:
    _print_job(client.cancel_score_job(arguments.job), arguments.json)


def _print_job(job: ScoreJob, as_json: bool) -> None:
    """Print a job: with all of its shards, or for people with their number."""
    print_value(job if as_json else items(job) | {"shards": len(job.shards)}, as_json)
