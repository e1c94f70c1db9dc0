"""``stackplan pin``: tags become digests, on the machine that can reach the registries."""

import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer


def pin(
    folder: Annotated[Path, typer.Argument(help="A folder that holds compose.yaml.")] = Path("deploy"),
) -> None:
    """Fix every image of a compose stack by digest: writes compose.pinned.yaml beside it, for `docker compose -f`.

    Docker asks the registries, so this needs the network; no secret of .env is copied into the file.
    """
    from stackplan.errors import UserError  # noqa: PLC0415

    files = sorted(folder.glob("compose*.yaml"), key=lambda path: (path.name != "compose.yaml", path.name))
    files = [path for path in files if path.name != "compose.pinned.yaml"]
    if not files or files[0].name != "compose.yaml":
        raise UserError(
            f"{folder} has no compose.yaml", hint="run `stackplan render --target compose`", slug="no-compose"
        )
    docker = shutil.which("docker")
    if docker is None:
        raise UserError("docker was not found", hint="install Docker with Compose 2.39 or newer", slug="no-docker")
    words = [word for path in files for word in ("-f", path.name)]
    command = [docker, "compose", *words, "--profile", "*", "config", "--no-interpolate", "--lock-image-digests"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise UserError(f"docker compose could not pin: {reason}", hint="check the network and try again", slug="pin")
    target = folder / "compose.pinned.yaml"
    target.write_text(done.stdout, encoding="utf-8")
    typer.echo(str(target))
    typer.echo(f"use it last: docker compose {' '.join(words)} -f compose.pinned.yaml up -d", err=True)
