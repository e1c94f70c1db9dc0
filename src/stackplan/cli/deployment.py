"""A rendered folder as the verbs that follow `apply` see it: its plan, its lock, its Ollama servers."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from stackplan.download.places import Places, check_safe, models_folder
from stackplan.download.wanted import Pull
from stackplan.errors import UserError
from stackplan.lock import LOCK_NAME, Lock, LockedArtifact, locked, read_lock
from stackplan.plan import Plan

_LARGEST_LOCK_BYTES = 128 * 1024**2


def saved_lock(folder: Path) -> Lock | None:
    """The lock beside a plan, None where there is none. Raises `UserError` when it cannot be read."""
    path = folder / LOCK_NAME
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
