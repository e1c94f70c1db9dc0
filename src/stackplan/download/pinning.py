"""From what a plan names to exact files: each artifact's revision, files, sizes and checksums, from hub or cache."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stackplan.download.hub import cached_listing, list_repository
from stackplan.download.listing import Listing, chosen_files
from stackplan.download.obstacle import Failed, Obstacle, Patience, failed
from stackplan.download.places import Places, check_safe
from stackplan.errors import UserError
from stackplan.lock import Lock, LockedArtifact, locked, pinned_plan
from stackplan.plan import Plan
from stackplan.values import replace


@dataclass(frozen=True, slots=True)
class Question:
    """How to ask. ``offline`` asks no server; ``upgrade`` takes the newest revision in place of the locked one."""

    places: Places
    patience: Patience
    stop: threading.Event
    note: Callable[[str], None]
    offline: bool = False
    upgrade: bool = False


def pin(lock: Lock, chosen: Iterable[str], question: Question) -> tuple[Lock, tuple[Failed, ...]]:
    """The lock with the ``chosen`` artifacts pinned as far as possible, and those that could not be."""
    wanted = set(chosen)
    artifacts: list[LockedArtifact] = []
    failures: list[Failed] = []
    asking = question
    for artifact in lock.artifacts:
        found = artifact
        needed = artifact.format != "ollama" and (question.upgrade or bool(artifact.unpinned))
        if artifact.id in wanted and needed:
            try:
                found = _pinned(artifact, _looks(lock.plan, artifact.id), asking)
                check_safe(found)
            except UserError as error:
                found = artifact
                failures.append(failed(artifact.id, artifact.repository, error))
                if isinstance(error, Obstacle) and error.temporary:  # the others would wait for the same server
                    asking = replace(question, patience=replace(question.patience, tries=1))
        artifacts.append(found)
    return repinned(lock, artifacts), tuple(failures)


def repinned(lock: Lock, artifacts: Iterable[LockedArtifact]) -> Lock:
    """The lock with these artifacts in place of its own."""
    known = tuple(artifacts)
    return locked(pinned_plan(lock.plan, known), known)


def _looks(plan: Plan, artifact_id: str) -> bool:
    """Whether an instance on these weights looks at images, or the plan names a projector for them."""
    looking = any(instance.vision and instance.artifact == artifact_id for instance in plan.instances)
    return looking or bool(plan.artifact(artifact_id).projector_file)


def _pinned(artifact: LockedArtifact, projector: bool, question: Question) -> LockedArtifact:
    revision = "" if question.upgrade else artifact.revision
    if question.offline:
        listing = _cached(artifact, revision, question.places)
    else:
        question.note(f"asking the hub about {artifact.repository}")
        listing = list_repository(artifact.repository, revision, question.patience, question.stop)
    files = chosen_files(artifact, listing, projector=projector)
    gated = artifact.gated if listing.gated is None else listing.gated
    return replace(artifact, revision=listing.commit, files=files, gated=gated)


def _cached(artifact: LockedArtifact, revision: str, places: Places) -> Listing:
    for cache in places.caches:
        if listing := cached_listing(cache, artifact.repository, revision):
            return listing
    raise Obstacle(
        f"{artifact.repository} is not in the cache, and nobody may be asked",
        hint="run `stackplan lock` with a network connection",
        slug="offline",
    )
