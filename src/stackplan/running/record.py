"""What `up` was asked for, kept between commands: who supervises, which units are wanted, from which plan."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from stackplan.deploy import write_file
from stackplan.errors import UserError
from stackplan.running.site import Site

_SCHEMA = 1
_LARGEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """``units`` are the ids that should run; ``digest`` is of what they were started as."""

    folder: str
    supervisor: str
    digest: str
    units: tuple[str, ...]


def read_record(site: Site) -> Record | None:
    """The record of the site, None where nothing was started. Raises `UserError` when it cannot be read."""
    path = _path(site)
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError("too large")
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != _SCHEMA:
            raise ValueError(f"schema {found['schema']}")
        units = tuple(str(name) for name in found["units"])
        return Record(str(found["folder"]), str(found["supervisor"]), str(found["digest"]), units)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read: {error}",
            hint=f"remove {path}, then `stackplan down` and `up`",
            slug="record-unreadable",
        ) from error


def write_record(site: Site, record: Record) -> None:
    """Keep the record, whole or not at all."""
    write_file(_path(site), json.dumps({"schema": _SCHEMA, **asdict(record)}, indent=2) + "\n")


def forget(site: Site) -> None:
    """Nothing is wanted any more."""
    _path(site).unlink(missing_ok=True)


def _path(site: Site) -> Path:
    return site.state / "up.json"
