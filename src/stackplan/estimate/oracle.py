"""Asking llama.cpp itself: a hollow copy of a GGUF through ``llama-fit-params``, which allocates nothing.

This is an edge: it writes a temporary file and runs a program. The copy has the real header and sparse data, so that a
model of hundreds of gigabytes costs a few megabytes of disk and no download of weights. ``llama-fit-params`` reserves
logits for the whole micro-batch, unlike llama-server; compare with `Serving.output_rows` "batch". Checked with b11434.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stackplan.errors import UserError
from stackplan.serving import Placement, Serving
from stackplan.units import MIB

PROGRAM = "llama-fit-params"
TIMEOUT_SECONDS = 300
HOST_ROW = "Host"
_ROW = re.compile(r"^(\S+) (\d+) (\d+) (\d+)\s*$", re.MULTILINE)
_TRIES = 3  # the program loses the tail of its output at exit now and then


@dataclass(frozen=True, slots=True)
class OracleRow:
    """What the engine says of one place, in whole MiB as it prints them."""

    place: str
    weights_bytes: int
    cache_bytes: int
    compute_bytes: int


def find_program(folder: Path | None) -> Path:
    """``llama-fit-params`` in ``folder``, else on the PATH. Raises UserError oracle-missing."""
    if folder is not None:
        candidate = folder if folder.is_file() else folder / PROGRAM
        if candidate.is_file():
            return candidate.resolve()
    elif found := shutil.which(PROGRAM):
        return Path(found)
    raise UserError(
        f"there is no {PROGRAM}{f' in {folder}' if folder else ' on the PATH'}",
        hint="install llama.cpp, or name its folder with --llama-bin",
        slug="oracle-missing",
    )


def write_hollow(path: Path, header: bytes, file_bytes: int) -> None:
    """A file that starts with ``header`` and is a hole after it."""
    with path.open("wb") as file:
        file.write(header)
        file.truncate(file_bytes)


def arguments(serving: Serving, placement: Placement) -> list[str]:
    """The command line of the question. Raises UserError for what the program cannot be asked."""
    if serving.kv_unified and serving.slots > 1:
        raise UserError(
            f"{PROGRAM} cannot be asked for a unified cache",
            hint="ask without --kv-unified; the figures differ in sliding windows and recurrent state only",
            slug="oracle-unified",
        )
    layers = 0 if not placement.devices else 999 if placement.gpu_layers is None else placement.gpu_layers
    line = f"-c {serving.context_tokens} -np {serving.slots} -ub {serving.micro_batch_tokens} -b {serving.batch_tokens}"
    line += f" -ctk {serving.kv_type_k} -ctv {serving.kv_type_v} -fa {serving.flash_attention} -ngl {layers}"
    # Without -nr repacked weights are in a buffer that the table leaves out.
    return [*line.split(), "-ncmoe", str(placement.cpu_expert_layers), "-fitp", "on", "-nr"]


def ask(program: Path, model: Path, serving: Serving, placement: Placement) -> tuple[OracleRow, ...]:
    """The engine's own figures. Raises UserError oracle-failed with its last words when it has none."""
    command = [str(program), "-m", str(model), *arguments(serving, placement)]
    said = ""
    for _ in range(_TRIES):
        rows, said = _run(command, program.parent)
        if any(row.place == HOST_ROW for row in rows):
            return rows
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "nothing")
    raise UserError(f"{PROGRAM} said: {last[:200]}", hint="try the same model with llama-server", slug="oracle-failed")


def _run(command: Sequence[str], libraries: Path) -> tuple[tuple[OracleRow, ...], str]:
    # Wheels keep the shared libraries beside the programs.
    searched = ":".join(filter(None, (str(libraries), os.environ.get("LD_LIBRARY_PATH"))))
    environment = {**os.environ, "LD_LIBRARY_PATH": searched}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), str(error)
    return parse_rows(done.stdout), done.stderr


def parse_rows(text: str) -> tuple[OracleRow, ...]:
    """The table that ``-fitp on`` prints: device, model, context and compute in MiB."""
    return tuple(
        OracleRow(name, int(model) * MIB, int(context) * MIB, int(compute) * MIB)
        for name, model, context, compute in _ROW.findall(text)
    )
