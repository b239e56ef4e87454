"""The server's settings: by flag, by environment (``DOWSER_…``), or in a TOML file, in this order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class ServeSettings(BaseSettings):
    """Everything ``dowser-server serve`` can be told. Each field is a flag with dashes for underscores."""

    model_config = SettingsConfigDict(env_prefix="DOWSER_", extra="forbid", frozen=True)

    bundle: Path = Field(description="the bundle's folder")
    index: Path = Field(description="the index's folder")
    state: Path = Field(
        default=Path("dowser-state"),
        description="where campaigns, uploaded classifiers and changes of the pool are kept",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=50051, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where models and index run")
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="threads that model runs, searches and worker processes share",
    )
    concurrency: int = Field(
        default=4,
        ge=1,
        le=1024,
        description="rounds, uploads and additions worked on at the same time; short calls have threads of their own",
    )
    queue: int = Field(default=64, ge=0, description="calls that may wait; one more is refused")
    max_message_bytes: int = Field(default=64 * 2**20, ge=2**16, description="largest gRPC message")
    max_classifier_bytes: int = Field(default=64 * 2**20, ge=1024, description="largest uploaded classifier")
    grace_seconds: float = Field(default=30, ge=0, description="time for calls under way after SIGTERM")
    task_refresh_rounds: int = Field(
        default=0,
        ge=0,
        description="rounds between refreshes of a campaign's task-aware features, in the background; 0 makes none",
    )
    snapshots: Path | None = Field(
        default=None, description="where snapshots of the running server go; none is made without it"
    )
    max_added_samples: int = Field(
        default=250_000, ge=0, description="samples AddSamples may add in all; every search scans them"
    )
    max_add_bytes: int = Field(
        default=256 * 2**20, ge=2**16, description="largest AddSamples call, which is held in memory"
    )
    lease_seconds: float = Field(
        default=0,
        ge=0,
        le=316_224_000,
        description="after so long an unlabeled lease ends by itself; 0 means never",
    )
    answer_days: float = Field(
        default=30,
        ge=0,
        description="how long an answer is kept for its request_id to be sent again; 0 keeps it for good",
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM file of the server's certificate chain"
    )
    tls_key: Path | None = Field(default=None, description="PEM file of its private key")
    tls_client_ca: Path | None = Field(
        default=None, description="PEM file of authorities; every client then needs a certificate of theirs"
    )
    tokens: Path | None = Field(
        default=None, description="TOML file of bearer tokens; every call then needs one (see `token new`)"
    )
    insecure: bool = Field(
        default=False, description="listen beyond loopback without TLS, tokens or client certificates"
    )
    caller_concurrency: int = Field(
        default=48, ge=0, description="calls of one caller at the same time; 0 for no limit"
    )
    caller_requests_per_second: float = Field(
        default=1000, ge=0, allow_inf_nan=False, description="calls of one caller a second; 0 for no limit"
    )
    caller_upload_bytes_per_minute: int = Field(
        default=2**30, ge=0, description="bytes that one caller may upload a minute; 0 for no limit"
    )
    max_request_memory_bytes: int = Field(
        default=2**30, ge=0, description="bytes of all requests under way; 0 for no limit"
    )
    max_stream_bytes: int = Field(
        default=2**29, ge=0, description="bytes of one streamed request; 0 for no limit"
    )
    stream_idle_seconds: float = Field(
        default=30,
        ge=0,
        allow_inf_nan=False,
        description="longest wait for the next message of a call; 0 for no limit",
    )
    stream_seconds: float = Field(
        default=600,
        ge=0,
        allow_inf_nan=False,
        description="longest time a streamed request may take to arrive; 0 for no limit",
    )
    max_concurrent_streams: int = Field(
        default=256, ge=1, description="calls at the same time on one connection"
    )
    max_connection_age_seconds: float = Field(
        default=3600,
        ge=0,
        allow_inf_nan=False,
        description="age at which a client is told to connect anew; 0 for no such age",
    )
    metrics_host: str = Field(
        default="127.0.0.1",
        description="address of /metrics, /livez and /readyz, which are open to whoever reaches it",
    )
    metrics_port: int = Field(default=0, ge=0, le=65535, description="their HTTP port; 0 serves none")
    log_format: Literal["text", "json"] = Field(
        default="text", description="log lines as text, or JSON objects"
    )
    otlp_endpoint: str = Field(
        default="",
        pattern=r"^(https?://[^/@\s]+/?)?$",
        description="OTLP collector over gRPC that gets traces, such as http://127.0.0.1:4317; empty sends none",
    )
    workers: int = Field(
        default=0,
        ge=0,
        le=256,
        description="worker processes that run uploaded classifiers at the same time, beside one in reserve; "
        "0 takes the smaller of concurrency and cores, at least 2",
    )
    worker_memory_bytes: int = Field(
        default=2 * 2**30,
        ge=2**26,
        description="memory a worker may take on top of what it has after its start",
    )
    worker_job_seconds: float = Field(
        default=300,
        gt=0,
        le=86_400,
        description="longest single score or ascent of a classifier; requests may be shorter",
    )
    score_jobs: int = Field(
        default=16,
        ge=1,
        description="score jobs kept with what they wrote; a new one takes the place of the one that ended first",
    )
    gpu_index: Literal["ivf", "cagra"] = Field(
        default="ivf",
        description="the index on a GPU: the pool's own lists, or CAGRA, a graph built at every start (needs cuVS)",
    )
    gpu_index_bytes: int = Field(
        default=0,
        ge=0,
        description="GPU memory the index may take; 0 for what is free; else it stays on the CPU",
    )
    gpu_temp_bytes: int = Field(
        default=2**28, ge=0, le=3 * 2**29, description="GPU memory for the index's intermediate results"
    )
    gpu_arena_bytes: int = Field(
        default=0,
        ge=0,
        description="GPU memory that the models of one process, server or worker, may take; 0 for no limit",
    )
    cuda_graphs: bool = Field(
        default=False, description="capture ascents as CUDA graphs, one for each number of latents"
    )
    gpu_tf32: bool = Field(
        default=False, description="multiply in TF32 in ascents, not in scores; faster, and less exact"
    )
    compact_after: float = Field(
        default=0.2,
        ge=0,
        allow_inf_nan=False,
        description="a new index is built in the background once so large a part of the old one's size was added or "
        "removed; 0 builds one only when asked to",
    )
    compact_least: int = Field(
        default=10_000, ge=1, description="samples added or removed below which none is built unasked"
    )
    verify: bool = Field(default=False, description="check the index files' sha256 at start")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="log level")

    @property
    def sandbox_workers(self) -> int:
        """Worker processes: two at least unless told otherwise, so that one bad classifier never has them all."""
        return self.workers or max(2, min(self.concurrency, os.cpu_count() or 1))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, environment, then the TOML file that DOWSER_CONFIG or --config names."""
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        if path := os.environ.get("DOWSER_CONFIG"):
            sources += (TomlConfigSettingsSource(settings_cls, Path(path)),)
        return sources
