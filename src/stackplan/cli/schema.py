"""``stackplan schema``: the JSON schema of what stackplan writes."""

import json
from typing import Annotated, Any

import typer

from stackplan.errors import UserError

NAMES = ("plan", "estimate", "detect", "host", "measurement", "verify")


def schema(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as it does anyway.")] = True,  # noqa: ARG001
) -> None:
    """Print the JSON schema of a plan, an estimate, a host, a measurement or the answer of `verify`."""
    typer.echo(json.dumps(_schema(name), indent=2, ensure_ascii=False))


def _schema(name: str) -> dict[str, Any]:
    if name == "plan":
        from stackplan.plan import plan_schema  # noqa: PLC0415

        return plan_schema()
    if name == "estimate":
        from stackplan.views.estimate import estimate_schema  # noqa: PLC0415

        return dict(estimate_schema())
    if name in ("detect", "host"):
        from stackplan.host_json import host_schema  # noqa: PLC0415

        return dict(host_schema())
    if name == "measurement":
        from stackplan.measurement_lines import measurement_schema  # noqa: PLC0415

        return measurement_schema()
    if name == "verify":
        from stackplan.views.verify import verify_schema  # noqa: PLC0415

        return verify_schema()
    raise UserError(f"there is no schema {name!r}", hint=f"schemas: {', '.join(NAMES)}", slug="unknown-schema")
