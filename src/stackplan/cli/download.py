"""``stackplan download``: fetch the weights of a planned stack."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.errors import ExitCode
from stackplan.values import replace

if TYPE_CHECKING:
    from stackplan.download.obstacle import Failed
    from stackplan.download.places import Places
    from stackplan.download.run import Job, Outcome
    from stackplan.download.wanted import Wanted
    from stackplan.lock import Lock
    from stackplan.plan import Plan


def download(
    role: Annotated[str | None, typer.Argument(help="Only what this role needs.")] = None,
    tier: Annotated[str, typer.Option("--tier", help="hot, warm, cold or all; HOT always comes first.")] = "all",
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")] = Path(
        "deploy/plan.json"
    ),
    models: Annotated[Path | None, typer.Option("--models", help="Folder that engines read weights from.")] = None,
    parallel: Annotated[int, typer.Option("--parallel", min=1, max=32, help="Files fetched at the same time.")] = 4,
    again: Annotated[bool, typer.Option("--verify", help="Read files again that were found right before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be fetched; asks no server.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fetch the weights of a planned stack, HOT first; run it again to continue where it stopped.

    Honours HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, STACKPLAN_MODELS, OLLAMA_SCHEME_HOST.
    """
    from stackplan.cli.deployment import check_plan, current_lock, ollama_pulls, places  # noqa: PLC0415
    from stackplan.download.wanted import wanted  # noqa: PLC0415
    from stackplan.render.saved_plan import read_plan  # noqa: PLC0415

    plan = read_plan(plan_file)
    lock = current_lock(plan, plan_file.parent)
    check_plan(plan, lock.artifacts)
    items = wanted(plan, tier.lower(), role, ollama_pulls(plan))
    there = places(models)
    if dry_run:
        _preview(lock, items, there, as_json=as_json)
        return
    outcomes = _download(plan, plan_file.parent, lock, items, there, parallel, again)
    _tell(outcomes, as_json=as_json)


def _preview(lock: "Lock", items: "tuple[Wanted, ...]", there: "Places", *, as_json: bool) -> None:
    from stackplan.cli.deployment import ollama_folder  # noqa: PLC0415
    from stackplan.download.preview import disk_budgets, may_link, preview, store_folder  # noqa: PLC0415
    from stackplan.views.download import preview_data, preview_text  # noqa: PLC0415

    links = may_link(there)
    previews = preview(lock, items, there)
    disks = disk_budgets(previews, store_folder(there, links=links), ollama_folder(), links=links)
    typer.echo(json.dumps(preview_data(previews, disks), indent=2) if as_json else preview_text(previews, disks))


def _tell(outcomes: "tuple[Outcome, ...]", *, as_json: bool) -> None:
    from stackplan.download.obstacle import Failed  # noqa: PLC0415
    from stackplan.views.download import outcome_data, outcome_text  # noqa: PLC0415

    typer.echo(json.dumps(outcome_data(outcomes), indent=2) if as_json else outcome_text(outcomes))
    if any(isinstance(one, Failed) for one in outcomes):
        raise typer.Exit(ExitCode.ERROR)


def _download(
    plan: "Plan",
    folder: Path,
    lock: "Lock",
    items: "tuple[Wanted, ...]",
    there: "Places",
    parallel: int,
    again: bool,
) -> "tuple[Outcome, ...]":
    """Pin what is not pinned, check the disk, fetch, and keep what was learnt in the lock."""
    from stackplan.cli.deployment import patience, save_lock  # noqa: PLC0415
    from stackplan.cli.fetching import note_use, quiet_hub, say, shown_progress, stoppable  # noqa: PLC0415
    from stackplan.download.hub import is_offline  # noqa: PLC0415
    from stackplan.download.keep import Verified  # noqa: PLC0415
    from stackplan.download.pinning import Question, pin  # noqa: PLC0415
    from stackplan.download.run import Job  # noqa: PLC0415
    from stackplan.lock import LOCK_NAME  # noqa: PLC0415

    with stoppable() as stop, quiet_hub():
        question = Question(there, patience(), stop, say, offline=is_offline())
        hub_items = [item.artifact for item in items if item.pull is None]
        lock, failures = pin(lock, hub_items, question)
        if save_lock(folder, plan, lock):
            say(f"wrote {folder / LOCK_NAME}")
        links, store = _store(there)
        with shown_progress() as progress:
            job = Job(lock, there, store, patience(), progress, stop, Verified(there), parallel, again)
            outcomes = _run(job, items, failures, links=links)
        save_lock(folder, lock.plan, _with_digests(lock, outcomes))
        note_use(there, folder / LOCK_NAME)
        return outcomes


def _store(there: "Places") -> tuple[bool, Path]:
    from stackplan.download.keep import can_link  # noqa: PLC0415
    from stackplan.download.preview import store_folder  # noqa: PLC0415

    links = can_link(there, there.cache)
    return links, store_folder(there, links=links)


def _run(
    job: "Job", items: "tuple[Wanted, ...]", failures: "tuple[Failed, ...]", *, links: bool
) -> "tuple[Outcome, ...]":
    from stackplan.cli.deployment import ollama_folder  # noqa: PLC0415
    from stackplan.cli.fetching import require_space  # noqa: PLC0415
    from stackplan.download.preview import disk_budgets, preview  # noqa: PLC0415
    from stackplan.download.run import run  # noqa: PLC0415

    unpinned = {failure.artifact for failure in failures}
    possible = tuple(item for item in items if item.artifact not in unpinned or item.pull is not None)
    previews = preview(job.lock, possible, job.places)
    require_space(disk_budgets(previews, job.store, ollama_folder(), links=links))
    job.progress.begin(sum(one.size_bytes for one in previews))
    return (*run(job, possible), *failures)


def _with_digests(lock: "Lock", outcomes: "tuple[Outcome, ...]") -> "Lock":
    """The lock with the digests that Ollama's servers told."""
    from stackplan.download.pinning import repinned  # noqa: PLC0415
    from stackplan.download.run import Ready  # noqa: PLC0415

    digests = {one.artifact: one.digest for one in outcomes if isinstance(one, Ready) and one.digest != "unknown"}
    return repinned(
        lock,
        (
            replace(artifact, revision=digests[artifact.id])
            if artifact.format == "ollama" and not artifact.revision and digests.get(artifact.id)
            else artifact
            for artifact in lock.artifacts
        ),
    )
