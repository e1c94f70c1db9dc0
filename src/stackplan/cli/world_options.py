"""How typer reads what `world.Asked` holds; the same for every verb that plans."""

from pathlib import Path
from typing import Annotated

import typer

ProfileArgument = Annotated[
    str | None, typer.Argument(help="A profile or device, like rtx-3090-ti; none: this machine.")
]
HostOption = Annotated[Path | None, typer.Option("--host", help="A machine's JSON, or its recording (tar.gz).")]
StackOption = Annotated[str | None, typer.Option("--stack", help="A stack's name, or a YAML file.")]
CatalogOption = Annotated[Path | None, typer.Option("--catalog", help="A catalog folder that wins over the bundled.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="ROLE.FIELD=VALUE, like worker.context=32k or code.tier=hot.")
]
ForbidOption = Annotated[list[str] | None, typer.Option("--forbid", help="A model, family or lineage never to use.")]
PolicyOption = Annotated[str | None, typer.Option("--policy", help="quality, balanced, speed or frugal.")]
HeadroomOption = Annotated[
    str | None, typer.Option("--headroom", help="Memory to leave free in every pool, like 1GiB.")
]
VramOption = Annotated[list[str] | None, typer.Option("--vram", help="POOL=SIZE: what a pool holds, like gpu0=20GiB.")]
RamOption = Annotated[str | None, typer.Option("--ram", help="Host memory of a declared machine, like 64GiB.")]
CommercialOption = Annotated[bool, typer.Option("--commercial", help="Only models whose licence allows business.")]
PartialOption = Annotated[bool, typer.Option("--partial", help="Serve what can be served when not every role can.")]
NoMeasurementsOption = Annotated[
    bool, typer.Option("--no-measurements", help="Plan with derived speeds only, whatever was measured.")
]
ProveOption = Annotated[bool, typer.Option("--prove", help="Search two minutes or so for the best plan and its proof.")]
IdleOption = Annotated[bool, typer.Option("--idle", help="Plan as if no other program held memory of this machine.")]
