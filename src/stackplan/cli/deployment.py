"""A rendered folder as the verbs that follow `apply` see it: its plan, its lock, its Ollama servers."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stackplan.deploy import is_tree, read_tree, write_tree
from stackplan.download.obstacle import Patience
from stackplan.download.places import Places, check_safe, models_folder
from stackplan.download.wanted import Pull
from stackplan.errors import UserError
from stackplan.lock import LOCK_NAME, Lock, LockedArtifact, lock_text, locked, read_lock
from stackplan.plan import Plan

if TYPE_CHECKING:
    from stackplan.running.site import Site

_LARGEST_LOCK_BYTES = 128 * 1024**2


def saved_lock(folder: Path) -> Lock | None:
    """The lock beside a plan, None where there is none. Raises `UserError` when it cannot be read."""
    return lock_at(folder / LOCK_NAME)


def lock_at(path: Path) -> Lock | None:
    """The lock in a file, None where there is no file. Raises `UserError` when it cannot be read."""
    try:
        if path.stat().st_size > _LARGEST_LOCK_BYTES:
            raise UserError(f"{path} is larger than any lock", hint="run `stackplan lock`", slug="lock-unreadable")
        return read_lock(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read: {error}", hint="run `stackplan lock`", slug="lock-unreadable"
        ) from error


def locked_plan(plan_file: Path) -> Plan:
    """The saved plan, with the file names and revisions of the lock beside it where there is one."""
    from stackplan.lock import pinned_plan  # noqa: PLC0415
    from stackplan.render.saved_plan import read_plan  # noqa: PLC0415

    plan = read_plan(plan_file)
    lock = saved_lock(plan_file.parent)
    return pinned_plan(plan, lock.artifacts) if lock else plan


def deployed(plan_file: Path, models: Path | None) -> "tuple[Plan, Site]":
    """The saved plan, and where its folder's processes are kept on this machine."""
    from stackplan.render.names import check_names  # noqa: PLC0415
    from stackplan.running.site import site_of  # noqa: PLC0415

    plan = locked_plan(plan_file)
    check_plan(plan, ())
    check_names(plan)
    return plan, site_of(plan_file.parent, models_folder(models))


def chosen_targets(names: str | None, plan: Plan) -> tuple[str, ...]:
    """Targets named with commas between, else those of the plan's host. Raises `UserError` when none is named."""
    from stackplan.render import default_targets, target_names  # noqa: PLC0415

    if names is None:
        return default_targets(plan)
    chosen = tuple(dict.fromkeys(filter(None, (name.strip() for name in names.split(",")))))
    if not chosen:
        hint = f"choose from {', '.join(target_names())}"
        raise UserError("--target names no target", hint=hint, slug="unknown-target")
    return chosen


def current_lock(plan: Plan, folder: Path) -> Lock:
    """The lock of ``plan`` with whatever the saved one already knows."""
    saved = saved_lock(folder)
    return locked(plan, saved.artifacts if saved else ())


def ollama_pulls(plan: Plan, environment: Mapping[str, str] = os.environ) -> dict[str, Pull]:
    """What Ollama's servers fetch themselves, by instance. OLLAMA_SCHEME_HOST replaces ``http://127.0.0.1``."""
    from stackplan.render.endpoints import ollama_source  # noqa: PLC0415
    from stackplan.render.servers import OLLAMA, servers  # noqa: PLC0415

    base = environment.get("OLLAMA_SCHEME_HOST") or "http://127.0.0.1"
    return {
        member.id: Pull(server.id, f"{base}:{server.port}", ollama_source(plan.artifact(member.artifact)))
        for server in servers(plan)
        if server.engine == OLLAMA
        for member in server.members
    }


def ollama_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where Ollama's servers keep models, as far as this machine can tell: OLLAMA_MODELS, else the home folder."""
    return Path(environment.get("OLLAMA_MODELS") or Path.home()).absolute()


def check_plan(plan: Plan, artifacts: Iterable[LockedArtifact]) -> None:
    """Raise `UserError` for a plan that names what it does not hold, and for names that lead out of the folders."""
    from stackplan.render.references import check_references  # noqa: PLC0415

    check_references(plan)
    for artifact in artifacts:
        check_safe(artifact)


def places(models: Path | None) -> Places:
    """The folders of this machine. ``huggingface_hub`` itself says where its cache is."""
    from huggingface_hub import constants  # noqa: PLC0415

    return Places(models_folder(models), Path(constants.HF_HUB_CACHE).absolute())


def save_lock(folder: Path, before: Plan, lock: Lock) -> bool:
    """Write the lock beside the plan, and everything that was rendered from the plan ``before`` again from the lock.

    The folder changes whole or not at all. False when nothing changed.
    """
    if not is_tree(folder):
        return _replace_file(folder / LOCK_NAME, lock_text(lock))
    old = read_tree(folder)
    files = {**_rendered_again(old, before, lock.plan), LOCK_NAME: lock_text(lock)}
    if files != old:
        write_tree(folder, files)
    return files != old


def _rendered_again(files: dict[str, str], before: Plan, after: Plan) -> dict[str, str]:
    """``files`` with every target that was rendered from ``before``, unchanged since, rendered from ``after``."""
    from stackplan.render import render_plan, target_names  # noqa: PLC0415
    from stackplan.render.user_targets import find_user_targets  # noqa: PLC0415

    own = find_user_targets()
    result = dict(files)
    for name in dict.fromkeys([*target_names(), *own]):
        try:
            old = render_plan(before, [name], own)
        except UserError:
            continue  # this host has no such target
        if old and all(files.get(path) == text for path, text in old.items()):
            result = {path: text for path, text in result.items() if path not in old} | render_plan(after, [name], own)
    return result


def _replace_file(path: Path, text: str) -> bool:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise UserError(f"cannot write {path}: {reason}", hint="use a plan elsewhere", slug="cannot-write") from error
    return True


def patience(environment: Mapping[str, str] = os.environ) -> Patience:
    """How long servers are waited for: STACKPLAN_TRIES, STACKPLAN_RETRY_SECONDS, HF_HUB_DOWNLOAD_TIMEOUT."""
    default = Patience()
    return Patience(
        tries=int(_number(environment, "STACKPLAN_TRIES", default.tries)),
        pause_seconds=_number(environment, "STACKPLAN_RETRY_SECONDS", default.pause_seconds),
        silence_seconds=_number(environment, "HF_HUB_DOWNLOAD_TIMEOUT", default.silence_seconds),
    )


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 10**6:
        raise UserError(f"{name} is {text[:40]!r}, not a number", hint="unset or correct it", slug="bad-number")
    return value


def expected_files(files: Mapping[str, str], plan: Plan) -> dict[str, str]:
    """What ``plan`` renders to, for those targets of which at least one file of their own is there."""
    from stackplan.render import TARGETS, render_plan  # noqa: PLC0415

    expected: dict[str, str] = {}
    for name, (_, needed) in TARGETS.items():
        try:
            own = render_plan(plan, [name])
            shared = render_plan(plan, needed) if needed else {}
        except UserError:
            continue  # this host has no such target
        if any(path in files for path in own.keys() - shared.keys()):
            expected |= own
    return expected


def is_up(plan: Plan) -> bool:
    """Whether something answers on a port of the plan, so that memory in use may be the stack's own."""
    import socket  # noqa: PLC0415

    for port in sorted({plan.gateway_port, *(instance.port for instance in plan.instances)}):
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
    return False
