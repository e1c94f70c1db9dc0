"""What ``catalog/engines.yaml`` may say, strictly; see `stackplan.catalog.Engine` for the meaning of the fields."""

from typing import Annotated, Literal

from pydantic import Field

from stackplan.catalog_schema import Count, Format, Identifier, Mode, Month, Note, Record, Reference, Text


class EngineRecord(Record):
    """A program that serves artifacts. ``images`` maps a backend to a pinned image."""

    id: Identifier
    title: Text
    formats: Annotated[list[Format], Field(min_length=1)]
    modes: Annotated[list[Mode], Field(min_length=1)]
    backends: Annotated[list[Identifier], Field(min_length=1)]
    images: dict[Identifier, Reference] = Field(default_factory=dict)
    version: Text
    container_port: Annotated[int, Field(ge=1, le=65535)]
    health_check: list[Text] = Field(default_factory=list)
    start_period_seconds: Annotated[int, Field(ge=0, le=3600)] = 60
    reads_split_files: bool = True
    spreads_over_devices: bool = True
    accelerations: list[Literal["draft", "mtp"]] = Field(default_factory=list)
    prompt_cache_bytes: Count = 0
    context_checkpoints: Count = 0
    source: Text
    date: Month
    notes: Note = ""


class EnginesFile(Record):
    """``catalog/engines.yaml``."""

    engines: Annotated[list[EngineRecord], Field(min_length=1)]
