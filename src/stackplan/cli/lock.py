"""``stackplan lock``: pin every artifact of a plan."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.errors import ExitCode, UserError
from stackplan.values import replace

if TYPE_CHECKING:
    from stackplan.download.obstacle import Patience
    from stackplan.lock import Lock
    from stackplan.plan import Plan


def lock(
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")] = Path(
        "deploy/plan.json"
    ),
    offline: Annotated[bool, typer.Option("--offline", help="Ask no server: keep what is known, say what is not.")] = (
        False
    ),
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Take the newest revisions in place of locked ones.")] = (
        False
    ),
    models: Annotated[Path | None, typer.Option("--models", help="Folder that engines read weights from.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Pin every artifact: revision, files, sizes, checksums. Writes stackplan.lock beside the plan, whole.

    What was rendered from the plan is written again, so that it names exactly the files that are locked.
    """
    from stackplan.cli.deployment import check_plan, patience, places, save_lock  # noqa: PLC0415
    from stackplan.cli.fetching import quiet_hub, say, stoppable  # noqa: PLC0415
    from stackplan.download.hub import is_offline  # noqa: PLC0415
    from stackplan.download.pinning import Question, pin  # noqa: PLC0415
    from stackplan.lock import LOCK_NAME  # noqa: PLC0415
    from stackplan.render.saved_plan import read_plan  # noqa: PLC0415
    from stackplan.views.lock import lock_data, lock_summary  # noqa: PLC0415

    plan = read_plan(plan_file)
    known = _known(plan, plan_file.parent, upgrade=upgrade)
    check_plan(plan, known.artifacts)
    silent = offline or is_offline()
    if silent and upgrade:
        raise UserError("nothing can be upgraded offline", hint="leave out --offline", slug="offline")
    with stoppable() as stop, quiet_hub():
        question = Question(places(models), patience(), stop, say, offline=silent, upgrade=upgrade)
        found, failures = pin(known, [artifact.id for artifact in known.artifacts], question)
        if not silent:
            found = _with_ollama(plan, found, patience(), upgrade=upgrade)
    changed = save_lock(plan_file.parent, plan, found)
    say(f"{'wrote' if changed else 'no change in'} {plan_file.parent / LOCK_NAME}")
    typer.echo(json.dumps(lock_data(found, failures), indent=2) if as_json else lock_summary(found, failures))
    if failures and not silent:
        raise typer.Exit(ExitCode.ERROR)


def _known(plan: "Plan", folder: Path, *, upgrade: bool) -> "Lock":
    from stackplan.cli.deployment import current_lock  # noqa: PLC0415
    from stackplan.lock import locked  # noqa: PLC0415

    try:
        return current_lock(plan, folder)
    except UserError:
        if upgrade:  # everything is asked anew anyway
            return locked(plan)
        raise


def _with_ollama(plan: "Plan", found: "Lock", patience: "Patience", *, upgrade: bool) -> "Lock":
    """The lock with the digests of the models that running Ollama servers have; the others stay unpinned."""
    from stackplan.cli.deployment import ollama_pulls  # noqa: PLC0415
    from stackplan.download.ollama import digest_at  # noqa: PLC0415
    from stackplan.download.pinning import repinned  # noqa: PLC0415

    digests: dict[str, str] = {}
    for instance_id, pull in ollama_pulls(plan).items():
        artifact = found.artifact(plan.instance(instance_id).artifact)
        if artifact.format == "ollama" and (upgrade or not artifact.revision):
            try:
                digests[artifact.id] = digest_at(pull, patience)
            except UserError:
                continue  # no server yet: it is pinned when the model is pulled
    told = {name: digest for name, digest in digests.items() if digest not in ("", "unknown")}
    return repinned(found, (replace(one, revision=told.get(one.id, one.revision)) for one in found.artifacts))
