"""The lock: the plan with every artifact pinned. One readable file from which everything can be written again.

It says for each artifact the repository, the revision, the files with their sizes and checksums, the licence and
whether access must be asked for; beside it the catalog, the estimator, the host and the plan itself. What is not
known is empty and listed by `LockedArtifact.unpinned`, never guessed.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from stackplan.errors import UserError
from stackplan.plan import CatalogStamp, Plan, PlannedArtifact, plan_data, plan_to_json
from stackplan.values import replace

SCHEMA = 1
LOCK_NAME = "stackplan.lock"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WEIGHT_ENDINGS = (".gguf", ".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class LockedFile:
    """One file of a repository. Large files carry a ``sha256``, small ones the ``git_sha1`` of their blob.

    ``size_bytes`` is None while nobody has asked the hub.
    """

    path: str
    size_bytes: int | None = None
    sha256: str = ""
    git_sha1: str = ""

    @property
    def checksum(self) -> str:
        """What the content is checked against; also the name that the hub's cache gives to the content."""
        return self.sha256 or self.git_sha1

    @property
    def is_projector(self) -> bool:
        """Whether this is a GGUF vision projector, which llama.cpp's converters name mmproj."""
        name = self.path.rpartition("/")[2].lower()
        return name.startswith("mmproj") and name.endswith(".gguf")


@dataclass(frozen=True, slots=True)
class LockedArtifact:
    """One artifact of the plan. ``revision`` is a commit of the repository, or the digest of an Ollama manifest.

    ``planned_bytes`` is what the plan took the weights to be (and ``planned_projector_bytes`` the projector);
    `size_bytes` is what the files really are.
    """

    id: str
    model: str
    format: str
    quantisation: str
    repository: str
    ollama_tag: str
    revision: str
    licence: str
    gated: bool | None
    commercial: bool | None
    planned_bytes: int
    planned_projector_bytes: int
    files: tuple[LockedFile, ...]

    @property
    def size_bytes(self) -> int | None:
        """Bytes of all files; None when one is unknown."""
        sizes = [file.size_bytes for file in self.files]
        known = [size for size in sizes if size is not None]
        return sum(known) if sizes and len(known) == len(sizes) else None

    @property
    def weight_files(self) -> tuple[str, ...]:
        """The files that hold weights, in order; without projectors, configurations and tokenizers."""
        return tuple(file.path for file in self.files if file.path.endswith(_WEIGHT_ENDINGS) and not file.is_projector)

    @property
    def projector_file(self) -> str:
        """The vision projector among the files, "" without one."""
        return next((file.path for file in self.files if file.is_projector), "")

    @property
    def unpinned(self) -> tuple[str, ...]:
        """What is missing for the artifact to be the same bytes on every machine and every day."""
        if self.format == "ollama":
            return () if self.revision else ("digest",)
        missing = [] if _COMMIT.fullmatch(self.revision) else ["revision"]
        if not self.files:
            return (*missing, "files")
        missing += ["sizes"] if self.size_bytes is None else []
        return (*missing, *(["checksums"] if any(not file.checksum for file in self.files) else []))


@dataclass(frozen=True, slots=True)
class LockedHost:
    """The machine that was planned for."""

    id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Lock:
    """Everything pinned. ``plan`` names the files as they are locked, so that it renders to what is downloaded."""

    schema: int
    profile: str
    plan_digest: str
    estimator: str
    catalog: CatalogStamp
    host: LockedHost
    artifacts: tuple[LockedArtifact, ...]
    plan: Plan

    def artifact(self, artifact_id: str) -> LockedArtifact:
        """The artifact called ``artifact_id``; KeyError when there is none."""
        return {artifact.id: artifact for artifact in self.artifacts}[artifact_id]


def locked(plan: Plan, known: Iterable[LockedArtifact] = ()) -> Lock:
    """The lock of ``plan``, with what is ``known`` of its artifacts from the hub or from an older lock."""
    found = {artifact.id: artifact for artifact in known}
    artifacts = tuple(_locked_artifact(artifact, found.get(artifact.id)) for artifact in plan.artifacts)
    pinned = pinned_plan(plan, artifacts)
    return Lock(
        schema=SCHEMA,
        profile=plan.profile,
        plan_digest=plan_digest(pinned),
        estimator=plan.estimator,
        catalog=plan.catalog,
        host=LockedHost(plan.host.id, plan.host.fingerprint),
        artifacts=tuple(sorted(artifacts, key=lambda artifact: artifact.id)),
        plan=pinned,
    )


def lock_of(plan: Plan, known: Iterable[LockedArtifact] = ()) -> str:
    """The text of the lock of ``plan``; the same bytes for the same plan and the same knowledge."""
    return lock_text(locked(plan, known))


def lock_text(lock: Lock) -> str:
    """The lock as JSON: one value per line, so that a difference reads as what changed."""
    return json.dumps({**dataclasses.asdict(lock), "plan": plan_data(lock.plan)}, indent=2, ensure_ascii=False) + "\n"


def read_lock(text: str, where: str = LOCK_NAME) -> Lock:
    """The lock that `lock_text` wrote. Raises `UserError` for anything else, and for a lock edited by hand."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415  (the CLI start does not need it)

    try:
        lock: Lock = TypeAdapter(Lock).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])[:100] or "the file"
        raise _unreadable(where, f"{place}: {first['msg']}") from error
    if lock.schema != SCHEMA:
        raise _unreadable(where, f"its schema is {lock.schema}, this version reads {SCHEMA}")
    if lock.plan_digest != plan_digest(lock.plan):
        raise _unreadable(where, "its plan was changed after it was written")
    return lock


def plan_digest(plan: Plan) -> str:
    """SHA-256 of the saved plan: two plans are the same exactly when their digests are."""
    return hashlib.sha256(plan_to_json(plan).encode()).hexdigest()


def pinned_plan(plan: Plan, artifacts: Iterable[LockedArtifact]) -> Plan:
    """``plan`` with the files, revisions and checksums of its locked artifacts.

    Sizes stay as planned: they belong to figures that were proved together.
    """
    pins = {artifact.id: artifact for artifact in artifacts}
    return replace(plan, artifacts=tuple(_pinned(artifact, pins.get(artifact.id)) for artifact in plan.artifacts))


def _pinned(artifact: PlannedArtifact, pin: LockedArtifact | None) -> PlannedArtifact:
    if pin is None or not pin.files:
        return artifact
    weights = pin.weight_files
    sums = {file.path: file.sha256 for file in pin.files}
    return replace(
        artifact,
        files=weights or artifact.files,
        revision=pin.revision or artifact.revision,
        sha256=sums[weights[0]] if len(weights) == 1 else artifact.sha256,
        projector_file=artifact.projector_file or pin.projector_file,
    )


def _locked_artifact(artifact: PlannedArtifact, known: LockedArtifact | None) -> LockedArtifact:
    fresh = LockedArtifact(
        id=artifact.id,
        model=artifact.model,
        format=artifact.format,
        quantisation=artifact.quantisation,
        repository=artifact.repository,
        ollama_tag=artifact.ollama_tag,
        revision=artifact.revision,
        licence=artifact.licence,
        gated=artifact.gated,
        commercial=artifact.commercial,
        planned_bytes=artifact.file_bytes,
        planned_projector_bytes=artifact.projector_bytes,
        files=_planned_files(artifact),
    )
    if known is None or not _is_same(known, fresh):
        return fresh
    return replace(
        fresh,
        revision=known.revision or fresh.revision,
        files=known.files or fresh.files,
        gated=fresh.gated if known.gated is None else known.gated,
    )


def _is_same(known: LockedArtifact, fresh: LockedArtifact) -> bool:
    """Whether what is known is about these very files: an artifact's id outlives a change of its repository."""
    if (known.repository, known.ollama_tag, known.quantisation) != (
        fresh.repository,
        fresh.ollama_tag,
        fresh.quantisation,
    ):
        return False
    if fresh.revision and known.revision and fresh.revision != known.revision:
        return False
    return {file.path for file in fresh.files} <= {file.path for file in known.files} or not known.files


def _planned_files(artifact: PlannedArtifact) -> tuple[LockedFile, ...]:
    if artifact.format == "ollama":
        return ()
    alone = len(artifact.files) == 1
    files = [LockedFile(name, None, artifact.sha256 if alone else "") for name in artifact.files]
    if files and artifact.projector_file:
        files.append(LockedFile(artifact.projector_file))
    return tuple(files)


def _unreadable(where: str, reason: str) -> UserError:
    line = " ".join(reason.split())[:200]
    return UserError(
        f"{where} is not a lock: {line}", hint="write it again: stackplan lock --upgrade", slug="lock-unreadable"
    )
