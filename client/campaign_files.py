"""Campaigns as files: JSON Lines carry a whole campaign, CSV and Parquet its labels.

    save_campaign(read_campaign(client, "digits"), Path("digits.jsonl"))
    import_campaign(client, load_campaign(Path("digits.jsonl")), name="digits again")

A JSON Lines file begins with a line of kind "campaign"; one line each follows for its rounds, the events of its labels
in their order, and its leases. What selections remember from round to round (evidence, latents) does not travel.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from client.atomic import write_whole
from client.errors import InputError, MissingExtraError
from client.sync_client import Client
from client.types.campaigns import Campaign, CampaignImported, Round
from client.types.labels import Label, LabelChange, LabelEvent
from client.types.leases import LeaseTerm

VERSION = 1
FORMATS = ("jsonl", "csv", "parquet")
_COLUMNS = ("pool_id", "label", "annotator", "record_time")


@dataclass(frozen=True, kw_only=True)
class CampaignData:
    """A campaign apart from its server.

    Attributes:
        name: Its name; empty where the file does not say.
        pool: Its pool; empty likewise.
        seed: Seeds of its selections are derived from this.
        events: What happened to its labels, in its order.
        leases: What is handed out and not labeled.
        rounds: The selections made.
    """

    name: str = ""
    pool: str = ""
    seed: int = 0
    events: Sequence[LabelEvent] = ()
    leases: Sequence[LeaseTerm] = ()
    rounds: Sequence[Round] = ()

    def labels(self) -> list[Label]:
        """Return the labels that the events end with, in the order in which they were recorded.

        Raises:
            InputError: An event has no time: the content of a file that does not say, and is for a server to import.
        """
        labels: dict[int, Label] = {}
        for event in self.events:
            if event.label is None:
                labels.pop(event.pool_id, None)
            elif event.time is None:
                raise InputError(
                    f"the label of sample {event.pool_id} has no time yet; import the campaign, and export it again"
                )
            else:
                labels[event.pool_id] = Label(
                    pool_id=event.pool_id,
                    label=event.label,
                    annotator=event.annotator,
                    record_time=event.time,
                )
        return list(labels.values())


def read_campaign(client: Client, campaign: Campaign | str) -> CampaignData:
    """Fetch all of a campaign; what others write meanwhile is in it or not.

    Leases are read before labels: what was labeled in between is a label then, and an import drops its lease.
    """
    about = client.get_campaign(campaign)
    leases, rounds = client.list_lease_terms(about), client.list_rounds(about)
    events = tuple(client.list_label_history(about))
    return CampaignData(
        name=about.name, pool=about.pool, seed=about.seed, events=events, leases=leases, rounds=rounds
    )


def import_campaign(
    client: Client,
    data: CampaignData,
    *,
    name: str = "",
    pool: str = "",
    skip_unknown: bool = False,
    request_id: str | None = None,
) -> CampaignImported:
    """Make a new campaign of a file's content, all of it or nothing.

    Args:
        client: A connection to the server.
        data: From `load_campaign` or `read_campaign`.
        name: Of the new campaign; empty means that of the file.
        pool: Empty means the server's only one, whatever the file's was called.
        skip_unknown: Leave out samples that the pool does not hold, instead of refusing.
        request_id: Names this call: sent again, it returns the same answer. None makes one.
    """
    return client.import_campaign(
        name or data.name,
        pool=pool,
        seed=data.seed,
        events=data.events,
        leases=data.leases,
        rounds=data.rounds,
        skip_unknown=skip_unknown,
        request_id=request_id,
    )


def file_format(path: Path) -> str:
    """Return the format that a file's name ends with.

    Raises:
        InputError: It is none of `FORMATS`.
    """
    ending = path.suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise InputError(f"{path}: cannot tell the format from the name; say --format {'|'.join(FORMATS)}")
    return ending


def save_campaign(data: CampaignData, path: Path, *, format: str | None = None) -> None:
    """Write a campaign to a file, which is there in full or not at all.

    Args:
        data: The campaign.
        path: The file; one that is there is replaced.
        format: One of `FORMATS`; None goes by the file's name.

    Raises:
        InputError: The file cannot be written, or the format is unknown.
        MissingExtraError: Parquet without pyarrow.
    """
    write_whole(path, dump_campaign(data, format or file_format(path)))


def load_campaign(path: Path, *, format: str | None = None) -> CampaignData:
    """Read a campaign from a file; `format` is one of `FORMATS`, None goes by the file's name.

    Raises:
        InputError: The file cannot be read as what it should be.
        MissingExtraError: Parquet without pyarrow.
    """
    format = format or file_format(path)
    try:
        content = path.read_bytes()
        if format == "parquet":
            return CampaignData(events=_recorded(_parquet_rows(content)))
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if format == "csv":
        return CampaignData(events=_recorded(_csv_rows(path, text)))
    return _from_lines(path, text)


def dump_campaign(data: CampaignData, format: str) -> bytes:
    """Return the content of a campaign's file in one of `FORMATS`."""
    if format == "jsonl":
        return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in _lines(data)).encode()
    if format == "csv":
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(_COLUMNS)
        for label in data.labels():
            writer.writerow((label.pool_id, label.label, label.annotator, label.record_time.isoformat()))
        return text.getvalue().encode()
    pyarrow, parquet = _pyarrow()
    labels = data.labels()
    types = (pyarrow.uint64(), pyarrow.int64(), pyarrow.string(), pyarrow.timestamp("us", tz="UTC"))
    columns = {
        name: pyarrow.array([getattr(label, name) for label in labels], type=type_)
        for name, type_ in zip(_COLUMNS, types, strict=True)
    }
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def _lines(data: CampaignData) -> Iterator[dict[str, Any]]:
    yield {
        "kind": "campaign",
        "version": VERSION,
        "name": data.name,
        "pool": data.pool,
        "seed": data.seed,
    }
    for kind, values in (("round", data.rounds), ("event", data.events), ("lease", data.leases)):
        for value in values:
            fields = asdict(value).items()
            yield {"kind": kind} | {
                name: field.isoformat() if isinstance(field, datetime) else field for name, field in fields
            }


def _from_lines(path: Path, text: str) -> CampaignData:
    about: dict[str, Any] = {}
    rounds: list[Round] = []
    events: list[LabelEvent] = []
    leases: list[LeaseTerm] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            kind = entry.pop("kind")
            if not about and kind != "campaign":
                raise InputError(f"{path} line {number}: the first line of an export is of kind campaign")
            match kind:
                case "campaign":
                    if entry["version"] > VERSION:
                        raise InputError(
                            f"{path}: version {entry['version']} of the format, this client knows up to {VERSION}; "
                            "upgrade it"
                        )
                    about = {
                        "name": str(entry["name"]),
                        "pool": str(entry["pool"]),
                        "seed": int(entry["seed"]),
                    }
                case "round":
                    rounds.append(Round(**entry | {"time": datetime.fromisoformat(entry["time"])}))
                case "event":
                    times = {"change": LabelChange(entry["change"]), "time": _time(entry.get("time"))}
                    events.append(LabelEvent(**entry | times))
                case "lease":
                    times = {
                        "lease_time": datetime.fromisoformat(entry["lease_time"]),
                        "expire_time": _time(entry.get("expire_time")),
                    }
                    leases.append(LeaseTerm(**entry | times))
                case _:
                    raise InputError(f"{path} line {number}: there is no kind {kind!r}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path} line {number}: not a line of a campaign's export ({error})") from error
    if not about:
        raise InputError(f"{path}: empty; the first line of an export is of kind campaign")
    return CampaignData(**about, rounds=rounds, events=events, leases=leases)


def _recorded(rows: Iterable[Mapping[str, Any]]) -> tuple[LabelEvent, ...]:
    return tuple(
        LabelEvent(
            change=LabelChange.RECORDED,
            pool_id=row["pool_id"],
            label=row["label"],
            annotator=row.get("annotator") or "",
            time=row.get("record_time"),
        )
        for row in rows
    )


def _csv_rows(path: Path, text: str) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if not {"pool_id", "label"} <= set(reader.fieldnames or ()):
        raise InputError(f"{path}: the first line must name the columns pool_id and label")
    for row in reader:
        try:
            yield {
                "pool_id": int(row["pool_id"]),
                "label": int(row["label"]),
                "annotator": row.get("annotator"),
                "record_time": _time(row.get("record_time")),
            }
        except (TypeError, ValueError) as error:
            raise InputError(f"{path} line {reader.line_num}: {error}") from error


def _parquet_rows(content: bytes) -> list[dict[str, Any]]:
    pyarrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(io.BytesIO(content))
    except pyarrow.ArrowException as error:
        raise InputError(f"not a Parquet file: {error}") from error
    if not {"pool_id", "label"} <= set(table.column_names):
        raise InputError("the Parquet file needs the columns pool_id and label")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            'Parquet files need pyarrow; pip install "dowser-al[parquet]", or export as csv or jsonl'
        ) from error
    return pyarrow, pyarrow.parquet
