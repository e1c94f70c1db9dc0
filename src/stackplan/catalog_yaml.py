"""``catalog/*.yaml`` -> checked records, each with the file that it came from.

Folders are searched in order and the first that defines an id wins, whole record: a reader can see a model in one
place. Every mistake is a `UserError` with file, line and field.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from stackplan.catalog_files import CatalogFile
from stackplan.catalog_schema import EngineRecord, EnginesFile, FamilyFile, ModelRecord, RoleRecord, RolesFile
from stackplan.strict_yaml import Document, parse_yaml
from stackplan.yaml_schema import checked

HINT = "docs/catalog.md lists the fields"

RecordT = TypeVar("RecordT")


@dataclass(frozen=True, slots=True)
class Located(Generic[RecordT]):
    """A record, the file that holds it and the family it is filed under."""

    record: RecordT
    path: Path
    family: str = ""


@dataclass(frozen=True, slots=True)
class CatalogRecords:
    """Everything the files say, after overriding, in order of id."""

    models: tuple[Located[ModelRecord], ...]
    engines: tuple[Located[EngineRecord], ...]
    roles: tuple[Located[RoleRecord], ...]


def parse_catalog(files: Iterable[CatalogFile]) -> CatalogRecords:
    """The records of ``files``. An id may appear once in a folder; an earlier folder's record replaces a later's."""
    models: dict[str, tuple[int, Located[ModelRecord]]] = {}
    engines: dict[str, tuple[int, Located[EngineRecord]]] = {}
    roles: dict[str, tuple[int, Located[RoleRecord]]] = {}
    for file in files:
        document = parse_yaml(file.content, file.path)
        if file.is_model_family:
            family = checked(document, FamilyFile, HINT)
            _merge(models, file, document, "models", [Located(m, file.path, family.family) for m in family.models])
        elif file.path.name == "engines.yaml":
            found = checked(document, EnginesFile, HINT).engines
            _merge(engines, file, document, "engines", [Located(engine, file.path) for engine in found])
        else:
            listed = checked(document, RolesFile, HINT).roles
            _merge(roles, file, document, "roles", [Located(role, file.path) for role in listed])
    return CatalogRecords(_in_order(models), _in_order(engines), _in_order(roles))


def _merge(
    known: dict[str, tuple[int, Located[Any]]],
    file: CatalogFile,
    document: Document,
    section: str,
    records: list[Located[Any]],
) -> None:
    """Add ``records`` to ``known`` unless an earlier folder has them; the same folder must not say it twice."""
    for index, located in enumerate(records):
        name = located.record.id
        earlier = known.get(name)
        if earlier is None:
            known[name] = (file.folder, located)
        elif earlier[0] == file.folder:
            message = f"{name!r} is already defined in {earlier[1].path}"
            raise document.error((section, index, "id"), message, hint="rename one of the two records")


def _in_order(known: dict[str, tuple[int, Located[RecordT]]]) -> tuple[Located[RecordT], ...]:
    """Records by id, so that the order of files never shows."""
    return tuple(known[name][1] for name in sorted(known))
