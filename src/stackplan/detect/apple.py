"""Apple silicon: one unified pool of which Metal hands the GPU a part.

The chip's name and its GPU cores come from ``system_profiler`` (a 30-core and a 40-core Max differ in bandwidth),
the share from ``iogpu.wired_limit_mb`` if somebody set it, else from size and macOS release.
"""

import json
from typing import Any

from stackplan.detect.gpu import GpuReading, MemoryModel
from stackplan.detect.numbers import integer
from stackplan.detect.sysctl import sysctl
from stackplan.detect.world import World
from stackplan.hardware import Backend
from stackplan.reservations import metal_working_set
from stackplan.units import MIB

_DISPLAYS = ("system_profiler", "SPDisplaysDataType", "-json")


def apple_devices(world: World) -> list[GpuReading]:
    """The chip's GPU; Intel Macs have none that engines use."""
    if world.system != "darwin" or world.machine != "arm64":
        return []
    rows = sysctl(world)
    display = _display(world)
    name = display.get("sppci_model") or display.get("_name") or rows.get("machdep.cpu.brand_string") or "Apple GPU"
    physical = integer(rows.get("hw.memsize"))
    limit = (integer(rows.get("iogpu.wired_limit_mb")) or 0) * MIB
    total = metal_working_set(physical, integer(rows.get("kern.osproductversion")), limit) if physical else None
    cores = integer(str(display.get("sppci_cores", "")))
    note = "iogpu.wired_limit_mb is set" if limit else "Metal's default share; iogpu.wired_limit_mb changes it"
    return [
        GpuReading(
            vendor="apple",
            name=str(name),
            backend=Backend.METAL,
            memory_model=MemoryModel.SHARED if total else MemoryModel.UNKNOWN,
            total_bytes=total,
            gpu_cores=cores,
            integrated=True,
            driver=f"macOS {rows.get('kern.osproductversion', '')}".strip(),
            notes=(note,),
        )
    ]


def _display(world: World) -> dict[str, Any]:
    """The chip's own entry of the display report; an external card of an Intel Mac is not it."""
    try:
        report = json.loads(world.run(_DISPLAYS).stdout or "{}")
        entries = report.get("SPDisplaysDataType", [])
        return next((entry for entry in entries if "Apple" in entry.get("spdisplays_vendor", "Apple")), {})
    except (ValueError, AttributeError, TypeError, RecursionError):
        return {}
