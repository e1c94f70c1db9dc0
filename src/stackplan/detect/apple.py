"""Apple silicon: one unified pool of which Metal hands the GPU a part.

The chip's name and its GPU cores come from ``system_profiler`` (a 30-core and a 40-core Max differ in bandwidth),
the share from Metal itself, else from ``iogpu.wired_limit_mb`` if somebody set it, else from size and macOS release.
"""

import json
from typing import Any

from stackplan.detect.gpu import GpuReading, MemoryModel
from stackplan.detect.numbers import integer
from stackplan.detect.sysctl import sysctl
from stackplan.detect.world import PYTHON, World
from stackplan.hardware import Backend
from stackplan.reservations import metal_working_set
from stackplan.units import MIB

# Metal's own answer, asked in a process of its own: what goes wrong in a foreign library ends there. Metal has no
# command and no system variable that tells it.
_METAL_SCRIPT = """
import ctypes
from ctypes import c_char_p, c_uint64, c_void_p
metal = ctypes.CDLL("/System/Library/Frameworks/Metal.framework/Metal")
runtime = ctypes.CDLL("/usr/lib/libobjc.A.dylib")
metal.MTLCreateSystemDefaultDevice.restype = c_void_p
runtime.sel_registerName.restype, runtime.sel_registerName.argtypes = c_void_p, [c_char_p]
send = ctypes.CFUNCTYPE(c_uint64, c_void_p, c_void_p)(("objc_msgSend", runtime))
device = metal.MTLCreateSystemDefaultDevice()
print(send(device, runtime.sel_registerName(b"recommendedMaxWorkingSetSize")) if device else 0)
"""
WORKING_SET = (PYTHON, "-I", "-c", _METAL_SCRIPT)
_DISPLAYS = ("system_profiler", "SPDisplaysDataType", "-json")


def apple_devices(world: World) -> list[GpuReading]:
    """The chip's GPU; Intel Macs have none that engines use. A translated process sees one, so the kernel is asked."""
    if world.system != "darwin":
        return []
    rows = sysctl(world)
    if world.machine != "arm64" and rows.get("hw.optional.arm64") != "1":
        return []
    display = _display(world)
    name = display.get("sppci_model") or display.get("_name") or rows.get("machdep.cpu.brand_string") or "Apple GPU"
    total, note = _working_set(world, rows)
    cores = integer(str(display.get("sppci_cores", "")))
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


def _working_set(world: World, rows: dict[str, str]) -> tuple[int | None, str]:
    """Bytes that Metal gives the GPU, and who says so: Metal, else the wired limit, else the default share."""
    physical = integer(rows.get("hw.memsize"))
    if not physical:
        return None, "the size of memory is not told"
    told = integer(world.run(WORKING_SET).stdout)
    if told and physical // 4 <= told <= physical:
        return told, "Metal's recommendedMaxWorkingSetSize; iogpu.wired_limit_mb changes it"
    limit = (integer(rows.get("iogpu.wired_limit_mb")) or 0) * MIB
    note = "iogpu.wired_limit_mb is set" if limit else "Metal's default share; iogpu.wired_limit_mb changes it"
    return metal_working_set(physical, integer(rows.get("kern.osproductversion")), limit), note


def _display(world: World) -> dict[str, Any]:
    """The chip's own entry of the display report; an external card of an Intel Mac is not it."""
    try:
        report = json.loads(world.run(_DISPLAYS).stdout or "{}")
        entries = report.get("SPDisplaysDataType", [])
        return next((entry for entry in entries if "Apple" in entry.get("spdisplays_vendor", "Apple")), {})
    except (ValueError, AttributeError, TypeError, RecursionError):
        return {}
