"""The catalog, ready to plan with: from the index when its files are unchanged, else read, checked and indexed anew.

YAML is for people and takes seconds to read and size; `content_index` keeps what came of it.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from stackplan.catalog import Catalog
from stackplan.catalog_codec import decode, encode
from stackplan.catalog_files import CatalogFile, read_catalog_files
from stackplan.content_index import ContentIndex
from stackplan.errors import UserError

_INDEX = ContentIndex(
    name="catalog",
    made_by=("architecture.py", "catalog*.py", "strict_yaml.py", "yaml_schema.py", "estimate/**/*.py", "gguf/*.py"),
    encode=encode,
    decode=decode,
    kept=8,
)


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
    places = [os.fsencode(file.path) for file in files]  # records tell where they come from
    content = (content_digest(files).encode(), *places)
    return _INDEX.get(lambda: content, lambda: build(files), cache)


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
        digest.update(f"{file.folder} {file.path.name} {len(file.content)}\n".encode(errors="surrogateescape"))
        digest.update(file.content)
    return digest.hexdigest()
