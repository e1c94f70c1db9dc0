"""``stackplan pin``: tags become digests, on the machine that can reach the registries."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer


def pin(
    folder: Annotated[Path, typer.Argument(help="A folder that holds compose.yaml.")] = Path("deploy"),
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", help="Compose files; default: COMPOSE_FILE.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the file and all files in order.")] = False,
) -> None:
    """Fix every image of a compose stack by digest: writes compose.pinned.yaml, to be named after the other files.

    Docker asks the registries, so this needs its daemon and the network. No value of .env is copied into the file.
    """
    from stackplan.deploy import write_file  # noqa: PLC0415
    from stackplan.errors import UserError  # noqa: PLC0415
    from stackplan.running.compose import PINNED, compose_files  # noqa: PLC0415

    files = file or compose_files(folder)
    if missing := [name for name in files if not (folder / name).is_file()]:
        hint = "run stackplan render --target compose"
        raise UserError(f"{folder} has no {missing[0]}", hint=hint, slug="no-compose")
    docker = shutil.which("docker")
    if docker is None:
        raise UserError("docker was not found", hint="install Docker with Compose 2.39 or newer", slug="no-docker")
    words = [word for name in files for word in ("-f", name)]
    write_file(folder / PINNED, _pinned(docker, folder, words))
    told = {"written": str(folder / PINNED), "files": [*files, PINNED]}
    typer.echo(json.dumps(told) if as_json else told["written"])
    typer.echo(f"use it last: docker compose {' '.join(words)} -f {PINNED} up -d", err=True)


def _pinned(docker: str, folder: Path, words: list[str]) -> str:
    """The stack's files as one, with a digest for each image; UserError when this docker cannot tell them."""
    from stackplan.errors import UserError  # noqa: PLC0415

    command = [docker, "compose", *words, "--profile", "*", "config", "--no-interpolate", "--lock-image-digests"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode != 0:
        hint = "install its plugin for Compose, 2.39 or newer"
        raise UserError("this docker has no `docker compose`", hint=hint, slug="no-docker")
    reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
    hint = "check that Docker runs and reaches the registries"
    raise UserError(f"docker compose could not pin: {reason}", hint=hint, slug="pin-failed")
