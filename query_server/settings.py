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
        default=Path("dowser-state"), description="where campaigns and uploaded classifiers are kept"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=50051, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where models and index run")
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="threads of one model run or search"
    )
    concurrency: int = Field(default=4, ge=1, le=1024, description="calls worked on at the same time")
    queue: int = Field(default=64, ge=0, description="calls that may wait; one more is refused")
    max_message_bytes: int = Field(default=64 * 2**20, ge=2**16, description="largest gRPC message")
    max_classifier_bytes: int = Field(default=64 * 2**20, ge=1024, description="largest uploaded classifier")
    grace_seconds: float = Field(default=30, ge=0, description="time for calls under way after SIGTERM")
    task_refresh_rounds: int = Field(
        default=0,
        ge=0,
        description="rounds between refreshes of a campaign's task-aware features, in the background; 0 makes none",
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
