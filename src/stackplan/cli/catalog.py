"""``stackplan catalog``: what can be planned, in lists and in detail, and whether the files are sound."""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from stackplan.catalog import Catalog, Model
from stackplan.errors import UserError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

Folder = Annotated[Path | None, typer.Option("--catalog", help="A folder whose records come first.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _load(chosen: Path | None) -> Catalog:
    from stackplan.catalog_files import catalog_folders  # noqa: PLC0415
    from stackplan.catalog_index import load_catalog  # noqa: PLC0415

    return load_catalog(catalog_folders(chosen))


@app.command("list")
def list_models(
    suits: Annotated[str, typer.Option("--suits", help="Only models of this kind: code, vision, embed ...")] = "",
    commercial: Annotated[bool, typer.Option("--commercial", help="Only models that a business may use.")] = False,
    catalog: Folder = None,
    as_json: AsJson = False,
) -> None:
    """List the models that can be planned."""
    from stackplan.views.catalog import list_data, list_text  # noqa: PLC0415

    loaded = _load(catalog)
    kinds = sorted({kind for model in loaded.models for kind in model.suits})
    if suits and suits not in kinds:
        raise UserError(f"no model is of kind {suits!r}", hint=f"choose one of {', '.join(kinds)}", slug="unknown-kind")
    models = [
        model
        for model in loaded.models
        if (not suits or suits in model.suits) and (not commercial or model.licence.commercial)
    ]
    typer.echo(json.dumps(list_data(loaded, models), indent=2) if as_json else list_text(models))


@app.command("show")
def show_model(
    model: Annotated[str, typer.Argument(help="A model of the list.")],
    catalog: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Show one model: licence, shape, files with sizes, results with sources."""
    from stackplan.views.catalog import show_data, show_text  # noqa: PLC0415

    found = find_model(_load(catalog).models, model)
    typer.echo(json.dumps(show_data(found), indent=2) if as_json else show_text(found))


def find_model(models: Sequence[Model], name: str) -> Model:
    """The model called ``name``; a UserError naming the nearest ones when there is none."""
    by_id = {model.id: model for model in models}
    if name in by_id:
        return by_id[name]
    near = difflib.get_close_matches(name.lower(), by_id, n=3, cutoff=0.5)
    near = near or [model for model in by_id if name and name.lower() in model][:3]
    hint = f"did you mean {' or '.join(near)}?" if near else "run: stackplan catalog list"
    raise UserError(f"no model is called {name!r}", hint=hint, slug="unknown-model")


@app.command("validate")
def validate(catalog: Folder = None, as_json: AsJson = False) -> None:
    """Check every file and print published sizes that the quantiser's rules do not give."""
    from stackplan.catalog_build import build_catalog, unsized  # noqa: PLC0415
    from stackplan.catalog_files import catalog_folders, read_catalog_files  # noqa: PLC0415
    from stackplan.catalog_index import content_digest  # noqa: PLC0415
    from stackplan.catalog_yaml import parse_catalog  # noqa: PLC0415
    from stackplan.views.catalog import findings_data, findings_text  # noqa: PLC0415

    files = read_catalog_files(catalog_folders(catalog))
    records = parse_catalog(files)
    built, findings = build_catalog(records, content_digest(files))
    missing = sorted(unsized(records, built))
    artifacts = sum(len(model.artifacts) for model in built.models)
    if as_json:
        data = {"schema": 1, "models": len(built.models), "artifacts": artifacts, "unsized": missing}
        typer.echo(json.dumps({**data, "findings": findings_data(findings)}, indent=2))
        return
    if findings:
        typer.echo(findings_text(findings))
    for name in missing:
        typer.echo(f"no size is known: {name}")
    unexplained = sum(not finding.note for finding in findings)
    typer.echo(
        f"{len(files)} files, {len(built.models)} models, {artifacts} artifacts. "
        f"{len(findings)} published sizes differ from the rules, {unexplained} without a stated reason.",
        err=True,
    )
