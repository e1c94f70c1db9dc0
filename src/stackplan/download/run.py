"""A whole download: tier by tier, several files at a time, and what became of each."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from stackplan.download import hub, ollama
from stackplan.download.disk import is_writable
from stackplan.download.keep import Verified, is_right, offer, point, set_wrong_aside
from stackplan.download.obstacle import Failed, Interrupted, Obstacle, Patience, failed
from stackplan.download.places import Places, check_safe
from stackplan.download.preview import wanted_files
from stackplan.download.progress import Progress
from stackplan.download.transfer import Transfer, disk_errors, fetch
from stackplan.download.wanted import TIERS, Wanted
from stackplan.errors import UserError
from stackplan.lock import Lock, LockedArtifact, LockedFile


@dataclass(frozen=True, slots=True)
class Ready:
    """A file or Ollama model that is there and right. ``received_bytes`` came over the network now."""

    artifact: str
    name: str
    place: str
    received_bytes: int
    digest: str = ""


Outcome = Ready | Failed


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that the threads of a download share. ``store`` is the cache that takes new files.

    ``again`` reads files that were found right before once more.
    """

    lock: Lock
    places: Places
    store: Path
    patience: Patience
    progress: Progress
    stop: threading.Event
    verified: Verified
    parallel: int = 4
    again: bool = False


def run(job: Job, items: Sequence[Wanted]) -> tuple[Outcome, ...]:
    """Fetch everything in ``items``, a tier at a time; outcomes in the order of the plan.

    Raises `Interrupted` when ``job.stop`` is set from outside; what was fetched until then stays.
    """
    outcomes: list[Outcome] = []
    for tier in TIERS:
        tasks = [task for item in items if item.tier == tier for task in _tasks(job, item)]
        outcomes += _together(job, tasks)
    return tuple(outcomes)


def _tasks(job: Job, item: Wanted) -> list[Callable[[], Outcome]]:
    artifact = job.lock.artifact(item.artifact)
    check_safe(artifact)
    if item.pull is not None:
        return [lambda: _pulled(job, artifact, item)]
    return [_task(job, artifact, file) for file in wanted_files(artifact, item)]


def _task(job: Job, artifact: LockedArtifact, file: LockedFile) -> Callable[[], Outcome]:
    return lambda: _guarded(job, artifact, file.path, lambda: _ensured(job, artifact, file))


def _together(job: Job, tasks: Iterable[Callable[[], Outcome]]) -> list[Outcome]:
    with ThreadPoolExecutor(max_workers=max(1, job.parallel), thread_name_prefix="download") as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            job.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _guarded(job: Job, artifact: LockedArtifact, name: str, work: Callable[[], Ready]) -> Outcome:
    if job.stop.is_set():
        raise Interrupted
    try:
        with disk_errors(job.places.models):
            ready = work()
    except UserError as error:
        job.progress.end(_shown(artifact, name), "failed")
        return failed(artifact.id, name, error)
    job.progress.end(_shown(artifact, name), "done")
    return ready


def _ensured(job: Job, artifact: LockedArtifact, file: LockedFile) -> Ready:
    target = job.places.model_file(artifact, file)
    name = _shown(artifact, file.path)
    job.progress.file(name, file.size_bytes or 0, 0)
    if file.checksum and is_right(target, file, job.verified, job.stop, again=job.again):
        job.progress.advance(name, file.size_bytes or 0)
        return Ready(artifact.id, file.path, str(target), 0)
    found = _cached(job, artifact, file)
    received = 0
    if found is None:
        received = _fetched(job, artifact, file)
        found = job.places.blob(job.store, artifact, file)
        point(job.places, job.store, artifact, file)
        job.verified.remember(found, file)
    _clear(job, artifact, file, target)
    offer(job.places, found, target)
    job.verified.remember(target, file)
    job.progress.advance(name, file.size_bytes or 0)
    return Ready(artifact.id, file.path, str(target), received)


def _cached(job: Job, artifact: LockedArtifact, file: LockedFile) -> Path | None:
    """The content in a cache, checked. Wrong content of the same name is put aside where that is allowed."""
    for cache in job.places.caches:
        if not file.checksum or not (blob := job.places.blob(cache, artifact, file)).is_file():
            continue
        if is_right(blob, file, job.verified, job.stop, again=job.again):
            return blob
        job.progress.note(f"{blob} holds wrong content")
        if is_writable(blob.parent) and cache == job.store:
            set_wrong_aside(job.places, artifact, file, blob, job.stop)
    return None


def _fetched(job: Job, artifact: LockedArtifact, file: LockedFile) -> int:
    if hub.is_offline():
        raise Obstacle(
            f"{artifact.repository}/{file.path} is not in the cache, and HF_HUB_OFFLINE forbids to ask",
            hint="unset HF_HUB_OFFLINE, or copy the cache of a machine that has it",
            slug="offline",
        )
    name = _shown(artifact, file.path)
    transfer = Transfer(
        places=job.places,
        cache=job.store,
        artifact=artifact,
        file=file,
        patience=job.patience,
        stop=job.stop,
        told=lambda there: job.progress.advance(name, there),
        note=job.progress.note,
    )
    return fetch(transfer)


def _clear(job: Job, artifact: LockedArtifact, file: LockedFile, target: Path) -> None:
    """Wrong content under the right name: a second name of a cached file may go, an only copy is put aside."""
    if target.is_file() and not target.is_symlink() and target.stat().st_nlink == 1:
        set_wrong_aside(job.places, artifact, file, target, job.stop)


def _pulled(job: Job, artifact: LockedArtifact, item: Wanted) -> Outcome:
    pull = item.pull
    assert pull is not None  # noqa: S101  (the caller chose by it)
    name = _shown(artifact, pull.name)

    def work() -> Ready:
        job.progress.file(name, artifact.planned_bytes, 0)
        digest = ollama.digest_at(pull, job.patience)
        before = digest
        if not digest:
            ollama.pull_model(
                pull, job.patience, job.stop, lambda there, _total: job.progress.advance(name, there), job.progress.note
            )
            digest = ollama.digest_at(pull, job.patience)
        _check_digest(artifact, pull.name, digest)
        return Ready(artifact.id, pull.name, pull.url, 0 if before else artifact.planned_bytes, digest)

    return _guarded(job, artifact, pull.name, work)


def _check_digest(artifact: LockedArtifact, name: str, digest: str) -> None:
    if artifact.format == "ollama" and artifact.revision and digest not in (artifact.revision, "unknown"):
        raise Obstacle(
            f"Ollama's {name} has digest {digest[:19]}..., {artifact.revision[:19]}... is locked: the tag moved",
            hint="accept what it is now: stackplan lock --upgrade",
            slug="checksum-mismatch",
        )


def _shown(artifact: LockedArtifact, name: str) -> str:
    return name if artifact.format == "ollama" else f"{artifact.repository}/{name}"
