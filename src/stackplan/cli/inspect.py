"""``stackplan inspect``: what a GGUF file says about itself, read safely."""

import json
import sys
from typing import Annotated

import typer


def inspect(
    source: Annotated[
        str, typer.Argument(help="A .gguf file, OWNER/NAME:FILE or OWNER/NAME:Q4_K_M on Hugging Face, or an address.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    metadata: Annotated[bool, typer.Option("--metadata", help="Add every metadata key.")] = False,
    tensors: Annotated[bool, typer.Option("--tensors", help="Add every tensor.")] = False,
) -> None:
    """Read a GGUF's header safely: architecture, layers, tensor types, KV cache per token.

    Only the first megabytes of a remote file are fetched. HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are honoured.
    """
    from stackplan.errors import UserError  # noqa: PLC0415
    from stackplan.gguf.architecture import architecture_of  # noqa: PLC0415
    from stackplan.gguf.sources import open_model  # noqa: PLC0415
    from stackplan.views.inspect import Inspection, inspection_json, inspection_text  # noqa: PLC0415

    opened = open_model(source, progress=_show_progress if sys.stderr.isatty() else None)
    try:
        inspection = Inspection(opened, architecture_of(opened.header.metadata, opened.header.tensors))
    except UserError as error:  # an adapter, a projector or a vocabulary has a header and no such shape
        inspection = Inspection(opened, error)
    if as_json:
        typer.echo(json.dumps(inspection_json(inspection, metadata=metadata, tensors=tensors), indent=2))
    else:
        typer.echo(inspection_text(inspection, metadata=metadata, tensors=tensors))


def _show_progress(received_bytes: int) -> None:
    typer.echo(f"\rreading the header: {received_bytes / 2**20:.1f} MiB \r", err=True, nl=False)
