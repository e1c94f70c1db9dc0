"""What must be there before anything is started: programs, rendered files, weights, ports."""

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from stackplan.errors import UserError
from stackplan.plan import Plan
from stackplan.render.llama_options import artifact_path
from stackplan.render.servers import LLAMA_CPP
from stackplan.running.site import Site
from stackplan.running.units import Unit
from stackplan.values import replace


def with_program(unit: Unit, environment: Mapping[str, str] = os.environ) -> Unit:
    """The unit with the whole path of its program: LLAMA_SERVER, LITELLM ... name one, else PATH is searched.

    Raises `UserError` when there is none.
    """
    variable = unit.program.upper().replace("-", "_")
    named = environment.get(variable)
    found = shutil.which(named or unit.program, path=environment.get("PATH"))
    if found is None:
        without = ", or leave the gateway out: --no-gateway" if unit.is_gateway else ""
        raise UserError(
            f"{unit.id} needs {named or unit.program}, which was not found",
            hint=f"install it, or name it: {variable}=/path/to/{unit.program} stackplan up{without}",
            slug="no-program",
        )
    return replace(unit, program=str(Path(found).absolute()))


def check_files(plan: Plan, unit: Unit, site: Site, *, native: bool) -> None:
    """Raise `UserError` when a file is missing that the unit reads; a container has its own ``needs``."""
    missing = next((path for path in unit.needs if not Path(path).is_file()), None)
    if native and missing:
        raise UserError(
            f"{unit.id} needs {missing}, which was not rendered",
            hint=f"run `stackplan render --target llama.cpp,litellm{site.option}`",
            slug="not-rendered",
        )
    weights = [path for name in unit.instances if unit.engine == LLAMA_CPP for path in _weights(plan, name)]
    if absent := [path for path in weights if not (path and _in(site, path).is_file())]:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        what = f"{_in(site, absent[0])}{more}" if absent[0] else "weights"
        raise UserError(
            f"{unit.id} needs {what}, not downloaded yet",
            hint=f"run `stackplan download --tier {unit.tier}{site.option}`",
            slug="no-weights",
        )


def check_ports(units: Collection[Unit], listening: Mapping[int, int]) -> None:
    """Raise `UserError` when somebody else listens where a unit is to listen."""
    for unit in units:
        if pid := listening.get(unit.port):
            raise UserError(
                f"port {unit.port} of {unit.id} is taken by {_name(pid)}",
                hint="end that program, or plan another port: stackplan apply --set ROLE.port=PORT",
                slug="port-in-use",
            )


def _weights(plan: Plan, instance_id: str) -> list[str]:
    """Files of the instance below the folder that holds ``models/``; "" for one whose name is not pinned yet."""
    instance = plan.instance(instance_id)
    artifact = plan.artifact(instance.artifact)
    paths = [artifact_path(artifact, file) for file in artifact.files] or [""]
    if instance.vision and artifact.projector_file:
        paths.append(artifact_path(artifact, artifact.projector_file))
    if instance.draft_artifact:
        draft = plan.artifact(instance.draft_artifact)
        paths += [artifact_path(draft, file) for file in draft.files] or [""]
    return paths


def _in(site: Site, path: str) -> Path:
    """Where a rendered path leads from the folder in which units start."""
    return site.models / Path(*Path(path).parts[1:])


def _name(pid: int) -> str:
    import psutil  # noqa: PLC0415  (the CLI start does not need it)

    try:
        return f"process {pid} ({psutil.Process(pid).name()})"
    except psutil.Error:
        return f"process {pid}"
