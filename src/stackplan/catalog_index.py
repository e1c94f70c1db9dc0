"""The catalog, ready to plan with: from the index when its files are unchanged, else read, checked and indexed anew.

YAML is for people and takes seconds to read and size; the index is JSON, keyed by the content of every file, by
stackplan's version and by its own sources, so that it can never be stale. Losing it costs time only.
"""

import gc
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from stackplan import __version__
from stackplan.bundled import cache_folder
from stackplan.catalog import Catalog
from stackplan.catalog_codec import decode, encode
from stackplan.catalog_files import CatalogFile, read_catalog_files
from stackplan.errors import UserError

INDEX_FORMAT = 1
KEPT_INDEXES = 8  # checkouts, user folders and versions that take turns


def load_catalog(folders: Sequence[Path], cache: Path | None = None) -> Catalog:
    """The catalog of ``folders``, the first of which wins; ``cache`` is where the index is kept.

    Raises `UserError` when a file is malformed or nothing is found. An index that cannot be read or written is no
    error: the catalog is then built in memory.
    """
    files = read_catalog_files(folders)
    if not any(file.is_model_family for file in files):
        raise UserError(
            "no catalog found", hint="name a folder that holds models/*.yaml with --catalog", slug="no-catalog"
        )
    key = index_key(files)
    place = (cache or cache_folder()) / f"catalog-{key[:24]}.json"
    catalog = _read_index(place, key)
    if catalog is None:
        catalog = build(files)
        _write_index(place, key, catalog)
    return catalog


def build(files: Sequence[CatalogFile]) -> Catalog:
    """Read, check and size everything; the slow way."""
    from stackplan.catalog_build import build_catalog  # noqa: PLC0415  (a warm start needs no pydantic, no yaml)
    from stackplan.catalog_yaml import parse_catalog  # noqa: PLC0415

    catalog, _ = build_catalog(parse_catalog(files), content_digest(files))
    return catalog


def content_digest(files: Sequence[CatalogFile]) -> str:
    """What the files say, in one number: content and order, not where they lie."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.folder} {file.path.name} {len(file.content)}\n".encode())
        digest.update(file.content)
    return digest.hexdigest()


def index_key(files: Sequence[CatalogFile]) -> str:
    """The name of the index for ``files``: content, places (records tell their origin), version and sources."""
    digest = hashlib.sha256(f"{INDEX_FORMAT} {__version__} {content_digest(files)}\n".encode())
    for file in files:
        digest.update(f"{file.path}\n".encode())
    for source in _sources():
        state = source.stat()
        digest.update(f"{source.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _sources() -> list[Path]:
    """The modules that decide what an index holds; editing one makes it stale."""
    package = Path(__file__).resolve().parent
    names = ("architecture.py", "catalog*.py", "strict_yaml.py", "yaml_schema.py", "estimate/**/*.py", "gguf/*.py")
    return sorted(path for name in names for path in package.glob(name))


def _read_index(place: Path, key: str) -> Catalog | None:
    """The indexed catalog, or None when there is none that can be trusted."""
    collecting = gc.isenabled()
    gc.disable()  # tens of thousands of small objects, none of them garbage
    try:
        head, _, body = place.read_bytes().partition(b"\n")
        if head.decode() != f"{key} {hashlib.sha256(body).hexdigest()}":
            return None
        return decode(json.loads(body))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    finally:
        if collecting:
            gc.enable()


def _write_index(place: Path, key: str, catalog: Catalog) -> None:
    """Store the index whole or not at all; a cache that cannot be written is done without."""
    body = json.dumps(encode(catalog), separators=(",", ":"), ensure_ascii=False).encode()
    head = f"{key} {hashlib.sha256(body).hexdigest()}\n".encode()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f"{place.stem}.{os.getpid()}.tmp")
        beside.write_bytes(head + body)
        beside.replace(place)
        _forget_old(place.parent)
    except OSError:
        return


def _forget_old(folder: Path) -> None:
    """Keep the newest few indexes."""
    indexes = sorted(folder.glob("catalog-*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in indexes[KEPT_INDEXES:]:
        path.unlink(missing_ok=True)
