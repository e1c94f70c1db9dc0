"""``catalog/*.yaml`` -> checked records, each with the file that it came from.

Folders are searched in order and the first that defines an id wins, whole record: a reader can see a model in one
place. Every mistake is a `UserError` with file, line and field.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from stackplan.catalog_files import CatalogFile
from stackplan.catalog_schema import FamilyFile, ModelRecord, RoleRecord, RolesFile
from stackplan.engine_schema import EngineRecord, EnginesFile
from stackplan.errors import UserError
from stackplan.strict_yaml import Document, FieldPath, parse_yaml
from stackplan.yaml_schema import checked

HINT = "docs/catalog.md lists the fields"


class Named(Protocol):
    """What every record has."""

    @property
    def id(self) -> str:
        """Its name, unique among its kind."""
        ...


RecordT = TypeVar("RecordT", bound=Named)


@dataclass(frozen=True, slots=True)
class Located(Generic[RecordT]):
    """A record, where it stands in which file, and the family it is filed under."""

    record: RecordT
    document: Document
    location: FieldPath
    family: str = ""

    @property
    def path(self) -> Path:
        """The file that holds the record."""
        return self.document.path

    def error(self, field: FieldPath, message: str, hint: str) -> UserError:
        """A `UserError` that names file, line and field of the record."""
        return self.document.error((*self.location, *field), message, hint=hint)


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
            _merge(models, file, _located(document, "models", family.models, family.family))
        elif file.path.name == "engines.yaml":
            _merge(engines, file, _located(document, "engines", checked(document, EnginesFile, HINT).engines))
        else:
            _merge(roles, file, _located(document, "roles", checked(document, RolesFile, HINT).roles))
    records = CatalogRecords(_in_order(models), _in_order(engines), _in_order(roles))
    _check_engines(records)
    return records


def _located(document: Document, section: str, records: list[RecordT], family: str = "") -> list[Located[RecordT]]:
    """``records`` with their places in ``document``."""
    return [Located(record, document, (section, index), family) for index, record in enumerate(records)]


def _merge(known: dict[str, tuple[int, Located[RecordT]]], file: CatalogFile, records: list[Located[RecordT]]) -> None:
    """Add ``records`` to ``known`` unless an earlier folder has them; the same folder must not say it twice."""
    for located in records:
        name = located.record.id
        folder, earlier = known.setdefault(name, (file.folder, located))
        if folder == file.folder and earlier is not located:
            raise located.error(
                ("id",), f"{name!r} is already defined in {earlier.path}", "rename one of the two records"
            )


def _check_engines(records: CatalogRecords) -> None:
    """Every engine that a record names must exist."""
    known = {located.record.id for located in records.engines}
    for role in records.roles:
        _check_names(role, ("engines",), role.record.engines, known)
    for model in records.models:
        for index, place in enumerate(model.record.artifacts):
            _check_names(model, ("artifacts", index, "engines"), place.engines or [], known)


def _check_names(located: Located[Any], field: FieldPath, names: list[str], known: set[str]) -> None:
    """Refuse a name that is not known."""
    for name in names:
        if name not in known:
            raise located.error(field, f"unknown engine {name!r}", f"choose one of {', '.join(sorted(known))}")


def _in_order(known: dict[str, tuple[int, Located[RecordT]]]) -> tuple[Located[RecordT], ...]:
    """Records by id, so that the order of files never shows."""
    return tuple(known[name][1] for name in sorted(known))
