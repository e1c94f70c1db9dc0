"""What is no longer as it was planned: the rendered folder, the lock, the catalog, the machine. Values, no text files.

Each `Drift` is one difference with the next step; an empty answer means that everything still agrees.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from stackplan.calibration import Calibration, calibration, over_estimate
from stackplan.catalog import Artifact, Catalog, Model
from stackplan.hardware import Host
from stackplan.idle_host import idle_host
from stackplan.lock import LOCK_NAME, Lock, LockedArtifact, locked
from stackplan.measurement import Measurement
from stackplan.plan import Plan
from stackplan.reservations import HELD_BY_OTHERS
from stackplan.units import format_bytes

PLAN_NAME = "plan.json"
_CAPACITY_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. ``kind`` is a stable name, ``file`` where it shows, relative to the rendered folder."""

    kind: str
    subject: str
    message: str
    hint: str
    file: str = LOCK_NAME


def lock_drift(plan: Plan, lock: Lock) -> tuple[Drift, ...]:
    """Whether the lock is of this plan, and what in it is not pinned."""
    found = []
    if locked(plan, lock.artifacts).plan_digest != lock.plan_digest:
        message = f"{LOCK_NAME} was written for another plan than {PLAN_NAME}"
        found.append(Drift("stale-lock", LOCK_NAME, message, "run `stackplan lock`"))
    found += [
        Drift("not-pinned", artifact.id, f"{artifact.id} has no {', '.join(artifact.unpinned)}", "run `stackplan lock`")
        for artifact in lock.artifacts
        if artifact.unpinned
    ]
    return tuple(found)


def files_drift(files: Mapping[str, str], expected: Mapping[str, str]) -> tuple[Drift, ...]:
    """Rendered ``files`` (path -> text) that are not as the locked plan renders them."""
    found = []
    for path in sorted(expected):
        if path not in files:
            found.append(Drift("file-missing", path, f"{path} is missing", "run `stackplan render`", path))
        elif files[path] != expected[path]:
            message = f"{path} is not what the locked plan renders to"
            hint = "run `stackplan render`, or keep your change in a template of your own"
            found.append(Drift("file-changed", path, message, hint, path))
    return tuple(found)


def catalog_drift(lock: Lock, catalog: Catalog, today: date, max_age_days: int) -> tuple[Drift, ...]:
    """What the catalog says otherwise now about what is locked, and records that nobody looked at for too long."""
    models = {model.id: model for model in catalog.models}
    found: list[Drift] = []
    for artifact in lock.artifacts:
        model = models.get(artifact.model)
        if model is None:
            message = f"the catalog no longer has {artifact.model}"
            found.append(Drift("model-gone", artifact.id, message, "plan again: stackplan apply"))
            continue
        found += _artifact_drift(artifact, model)
        found += _age(artifact, model, today, max_age_days)
    return tuple(found)


def host_drift(plan: Plan, host: Host, *, running: bool) -> tuple[Drift, ...]:
    """Whether ``host`` is still the machine that was planned for and has the room.

    ``running`` says that the stack itself is up: what programs hold now is then its own.
    """
    found = list(_devices(plan, host))
    now = idle_host(host) if running else host
    pools = {pool.id: pool for pool in now.pools}
    for planned in plan.host.pools:
        pool = pools.get(planned.id)
        if pool is None:
            message = f"the memory pool {planned.id} is gone"
            found.append(Drift("pool-gone", planned.id, message, "plan again: stackplan apply", PLAN_NAME))
        elif pool.capacity_bytes < planned.capacity_bytes * (1 - _CAPACITY_TOLERANCE):
            sizes = f"{format_bytes(pool.capacity_bytes)}, {format_bytes(planned.capacity_bytes)} were planned with"
            message = f"{planned.id} has {sizes}"
            found.append(Drift("pool-smaller", planned.id, message, "plan again: stackplan apply", PLAN_NAME))
        elif pool.budget_bytes < planned.used_bytes:
            held = sum(line.bytes for line in pool.reserved if line.name == HELD_BY_OTHERS)
            message = f"{planned.id} has room for {format_bytes(pool.budget_bytes)}, the plan takes "
            message += f"{format_bytes(planned.used_bytes)}; others hold {format_bytes(held)}"
            hint = "end what holds memory there, or plan again: stackplan apply"
            found.append(Drift("memory-held", planned.id, message, hint, PLAN_NAME))
    return tuple(found)


def measurement_drift(plan: Plan, kept: Iterable[Measurement], host: Host) -> tuple[Drift, ...]:
    """What was measured on ``host`` with the planned engine version and is worse than planned, and what was forgotten.

    A faster or a thriftier instance breaks no promise and is not told.
    """
    every = tuple(kept)
    names = {one.digest for one in every}
    used = plan.measurements.used if plan.measurements else ()
    hint = "plan again: stackplan apply"
    gone = [
        Drift(
            "measurement-gone",
            one.instance,
            f"the speed of {one.instance} rests on a forgotten measurement",
            hint,
            PLAN_NAME,
        )
        for one in used
        if one.digest not in names
    ]
    known = calibration(every, host, {engine.id: engine.version for engine in plan.engines})
    return (*gone, *(_worse(plan, known) if known else ()))


def _worse(plan: Plan, known: Calibration) -> Iterator[Drift]:
    hint = "plan again: stackplan apply; see it with `stackplan bench`"
    for instance in plan.instances:
        one = known.of_instance(instance)
        if one is None or one.headline is None or not known.same_version(one) or one.machine != known.machine:
            continue
        speed, median = instance.speed, one.headline.median
        if speed is not None and median < speed.decode_low:
            message = f"{instance.id} runs at {median:.1f} tokens/s, at least {speed.decode_low:.1f} were planned with"
            yield Drift("measured-slower", instance.id, message, hint, PLAN_NAME)
        if over := over_estimate(plan, instance, one.host_peak_bytes, one.device_peak_bytes):
            message = (
                f"{instance.id} took {format_bytes(over[0])} at its peak, {format_bytes(over[1])} were planned with"
            )
            yield Drift("measured-larger", instance.id, message, hint, PLAN_NAME)


def upstream_drift(lock: Lock, newest: Mapping[str, LockedArtifact]) -> tuple[Drift, ...]:
    """Files that changed in their repositories since they were locked; ``newest`` is what is there now, by id."""
    found = []
    for artifact in lock.artifacts:
        now = newest.get(artifact.id)
        if now is None or now.revision == artifact.revision:
            continue
        before = {file.path: file.checksum for file in artifact.files}
        after = {file.path: file.checksum for file in now.files}
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        if changed:
            message = f"{artifact.repository} changed upstream: {', '.join(changed[:5])}"
            found.append(Drift("upstream-changed", artifact.id, message, "see it with `stackplan lock --upgrade`"))
    return tuple(found)


def _artifact_drift(locked_artifact: LockedArtifact, model: Model) -> list[Drift]:
    known = {artifact.id: artifact for artifact in model.artifacts}
    artifact = known.get(locked_artifact.id)
    if artifact is None:
        message = f"the catalog no longer offers {locked_artifact.id}"
        return [Drift("artifact-gone", locked_artifact.id, message, "plan again: stackplan apply")]
    pairs = (
        ("licence", locked_artifact.licence, _licence(model)),
        ("commercial use", locked_artifact.commercial, model.licence.commercial),
        ("size", locked_artifact.planned_bytes, _size(artifact)),
    )
    return [
        Drift(
            "catalog-changed",
            artifact.id,
            f"{artifact.id}: {what} was {before}, the catalog now says {after}",
            "plan again: stackplan apply",
        )
        for what, before, after in pairs
        if before != after
    ]


def _licence(model: Model) -> str:
    return model.licence.id


def _size(artifact: Artifact) -> int:
    return artifact.file_bytes


def _age(artifact: LockedArtifact, model: Model, today: date, max_age_days: int) -> Iterable[Drift]:
    try:
        days = (today - date.fromisoformat(model.date)).days
    except ValueError:
        return
    if days > max_age_days:
        message = f"what the catalog says about {model.id} is {days} days old"
        yield Drift("catalog-old", artifact.id, message, "check the record, renew its date; or --max-age DAYS")


def _devices(plan: Plan, host: Host) -> Iterable[Drift]:
    before = Counter(device.name for device in plan.host.machine.gpus)
    now = Counter(device.name for device in host.gpus)
    for name, count in sorted((before - now).items()):
        message = f"{count} x {name} is gone"
        yield Drift("device-gone", name, message, "look at `stackplan detect`, then plan again", PLAN_NAME)
