"""``stackplan check``: what is no longer as it was planned."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.errors import ExitCode, UserError

if TYPE_CHECKING:
    from stackplan.drift import Drift
    from stackplan.lock import Lock
    from stackplan.plan import Plan


def check(
    plan_file: Annotated[Path, typer.Option("--plan", help="A plan that `stackplan apply` saved.")] = Path(
        "deploy/plan.json"
    ),
    catalog: Annotated[Path | None, typer.Option("--catalog", help="A catalog to use before the others.")] = None,
    host: Annotated[
        Path | None, typer.Option("--host", help="A machine's JSON or recording in place of this one.")
    ] = None,
    no_host: Annotated[bool, typer.Option("--no-host", help="Leave the machine out, as on a build server.")] = False,
    upstream: Annotated[bool, typer.Option("--upstream", help="Ask the hub what changed since it was locked.")] = False,
    max_age: Annotated[int, typer.Option("--max-age", min=1, help="Days until a record of the catalog is old.")] = 365,
    output: Annotated[str, typer.Option("--format", help="text, json, github or sarif.")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Compare folder, lock, catalog and machine with the plan; exit code 2 and a list when something differs."""
    from stackplan.cli.deployment import check_plan, saved_lock  # noqa: PLC0415
    from stackplan.render.saved_plan import read_plan  # noqa: PLC0415
    from stackplan.views.drift import FORMATS  # noqa: PLC0415

    chosen = "json" if as_json else output
    if chosen not in FORMATS:
        raise UserError(f"there is no format {chosen!r}", hint=f"choose from {', '.join(FORMATS)}", slug="bad-format")
    plan = read_plan(plan_file)
    lock = saved_lock(plan_file.parent)
    if lock is None:
        raise UserError(f"{plan_file.parent} has no lock", hint="run `stackplan lock`", slug="no-lock")
    check_plan(plan, lock.artifacts)
    found = [*_saved(plan, lock, plan_file.parent), *_catalog(lock, catalog, max_age)]
    found += [] if no_host else _host(lock.plan, host)
    found += _upstream(lock) if upstream else []
    _print(found, chosen, plan_file.parent)
    if found:
        raise typer.Exit(ExitCode.DIFFERS)


def _saved(plan: "Plan", lock: "Lock", folder: Path) -> "list[Drift]":
    from stackplan.cli.deployment import expected_files  # noqa: PLC0415
    from stackplan.deploy import is_tree, read_tree  # noqa: PLC0415
    from stackplan.drift import files_drift, lock_drift  # noqa: PLC0415

    files = read_tree(folder) if is_tree(folder) else {}
    return [*lock_drift(plan, lock), *files_drift(files, expected_files(files, lock.plan))]


def _catalog(lock: "Lock", folder: Path | None, max_age: int) -> "list[Drift]":
    import datetime  # noqa: PLC0415

    from stackplan.bundled import search_folders  # noqa: PLC0415
    from stackplan.catalog_index import load_catalog  # noqa: PLC0415
    from stackplan.drift import catalog_drift  # noqa: PLC0415

    today = datetime.datetime.now(tz=datetime.UTC).date()
    return list(catalog_drift(lock, load_catalog(search_folders("catalog", folder)), today, max_age))


def _host(plan: "Plan", described: Path | None) -> "list[Drift]":
    from stackplan.cli.deployment import is_up  # noqa: PLC0415
    from stackplan.cli.kept import kept_measurements  # noqa: PLC0415
    from stackplan.cli.measuring import this_host  # noqa: PLC0415
    from stackplan.drift import host_drift, measurement_drift  # noqa: PLC0415

    host = this_host(described)
    running = described is None and is_up(plan)
    measured = measurement_drift(plan, kept_measurements(), host)
    return [*host_drift(plan, host, running=running), *measured]


def _upstream(lock: "Lock") -> "list[Drift]":
    from stackplan.cli.deployment import patience, places  # noqa: PLC0415
    from stackplan.cli.fetching import quiet_hub, say, stoppable  # noqa: PLC0415
    from stackplan.download.pinning import Question, pin  # noqa: PLC0415
    from stackplan.drift import upstream_drift  # noqa: PLC0415

    with stoppable() as stop, quiet_hub():
        question = Question(places(None), patience(), stop, say, upgrade=True)
        newest, failures = pin(lock, [artifact.id for artifact in lock.artifacts if artifact.files], question)
    for failure in failures:
        say(f"not checked upstream: {failure.reason}")
    return list(upstream_drift(lock, {one.id: one for one in newest.artifacts}))


def _print(found: "list[Drift]", output: str, folder: Path) -> None:
    from stackplan import __version__  # noqa: PLC0415
    from stackplan.views.drift import drift_github, drift_json, drift_sarif, drift_text  # noqa: PLC0415

    where = folder.as_posix()
    texts = {
        "text": lambda: drift_text(found),
        "json": lambda: drift_json(found),
        "github": lambda: drift_github(found, where),
        "sarif": lambda: drift_sarif(found, where, __version__),
    }
    if text := texts[output]():
        typer.echo(text)
