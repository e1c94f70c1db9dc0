"""Display adapters of Windows from the registry, which knows their whole memory.

WMI's ``AdapterRAM`` has 32 bits: 4293918720 means "at least 4 GB". Virtual adapters (remote desktops, headsets) are on
no PCI bus and are no GPU. NVIDIA's cards are told by NVIDIA's own library.
"""

import json
import re
from typing import Any

from stackplan.backends import backend_of
from stackplan.detect.gpu import GpuReading, MemoryModel
from stackplan.detect.pci import CANNOT_COMPUTE, cannot_compute
from stackplan.detect.world import MOST_DEVICES, World
from stackplan.hardware import Backend, BackendCapacity, Basis
from stackplan.units import GIB, MIB
from stackplan.values import replace

_CLASS = r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
REGISTRY = ("reg", "query", _CLASS, "/s")
_SCRIPT = "Get-CimInstance Win32_VideoController | Select-Object Name,AdapterRAM,PNPDeviceID | ConvertTo-Json"
WMI = ("powershell", "-NoProfile", "-NonInteractive", "-Command", _SCRIPT)

_VALUE = re.compile(r"\s+(\S.*?)\s{2,}REG_[A-Z_]+\s{2,}(.*)")
_PCI = re.compile(r"PCI\\VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})", re.IGNORECASE)
_VENDORS = {"1002": "amd", "8086": "intel", "10de": "nvidia"}

# "AMD Radeon(TM) Graphics", "Radeon 780M Graphics", "Radeon(TM) 8060S Graphics", "Radeon(TM) RX Vega 11 Graphics":
# whatever carve-out the firmware gives them.
_AMD_INTEGRATED = re.compile(r"\bRadeon(?:\(TM\))?(?: RX)?(?: Vega \d{1,2}| \d{3,4}[MS])? Graphics$")

# The largest MiB-aligned number that fits 32 bits: WMI's way to write "more than I can say".
_SATURATED = 4293918720
# Below this a PCI adapter without a discrete memory size is taken for integrated graphics.
_SMALL = 2 * GIB + 512 * MIB


def windows_devices(world: World, system_bytes: int) -> list[GpuReading]:
    """AMD and Intel adapters; NVIDIA's come from its library. ``system_bytes`` is the system's memory."""
    if world.system != "windows":
        return []
    rows = parse_registry(world.run(REGISTRY).stdout) or parse_wmi(world.run(WMI).stdout)
    return [
        _reading(row, system_bytes) for row in rows[:MOST_DEVICES] if _VENDORS.get(row["vendor_id"]) in ("amd", "intel")
    ]


def parse_registry(text: str) -> list[dict[str, Any]]:
    """One row per PCI adapter of the display class."""
    rows = []
    for block in re.split(r"\r?\n(?=HKEY_)", text):
        values = {match[1]: match[2].strip() for line in block.splitlines() if (match := _VALUE.fullmatch(line))}
        place = _PCI.search(values.get("MatchingDeviceId", ""))
        if place is None or "DriverDesc" not in values:
            continue
        size = values.get("HardwareInformation.qwMemorySize", "")
        known = int(size, 16) if re.fullmatch(r"0x[0-9a-fA-F]{1,16}", size) else None
        rows.append(_row(values["DriverDesc"], place, known or None))
    return rows


def parse_wmi(text: str) -> list[dict[str, Any]]:
    """Rows of ``Win32_VideoController``; a saturated size is unknown, not 4 GB."""
    try:
        answer = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    rows = []
    for entry in answer if isinstance(answer, list) else [answer]:
        if not isinstance(entry, dict):
            continue
        place = _PCI.search(str(entry.get("PNPDeviceID", "")))
        size = entry.get("AdapterRAM")
        if place is not None:
            known = size if isinstance(size, int) and 0 < size < _SATURATED else None
            rows.append(_row(str(entry.get("Name", "")), place, known))
    return rows


def _row(name: str, place: re.Match[str], size: int | None) -> dict[str, Any]:
    return {"name": name, "vendor_id": place[1].lower(), "device_id": place[2].lower(), "bytes": size}


def _reading(row: dict[str, Any], system_bytes: int) -> GpuReading:
    vendor, size = _VENDORS[row["vendor_id"]], row["bytes"]
    pci_id = f"{row['vendor_id']}:{row['device_id']}"
    if cannot_compute(pci_id):
        return GpuReading(
            vendor, row["name"], Backend.VULKAN, MemoryModel.UNKNOWN, integrated=True, notes=(CANNOT_COMPUTE,)
        )
    integrated = _is_integrated(vendor, row["name"], size)
    backend = backend_of(vendor, integrated=integrated, compute_capability=None)
    reading = GpuReading(vendor, row["name"], backend, MemoryModel.UNKNOWN, pci_id=pci_id, integrated=integrated)
    lent = BackendCapacity(backend, system_bytes // 2, Basis.ASSUMED, "half of the memory, as Windows lends it")
    if integrated and (size or 0) <= lent.bytes:
        return replace(reading, memory_model=MemoryModel.SHARED, capacities=(lent,))
    if size is not None:
        return replace(reading, memory_model=MemoryModel.DEDICATED, total_bytes=size)
    return replace(reading, notes=("Windows says at least 4 GB; the driver's registry entry is missing",))


def _is_integrated(vendor: str, name: str, size: int | None) -> bool:
    """Intel's HD, UHD, Iris and Arc without a board's number, AMD's generic and mobile names are integrated."""
    if vendor == "intel":
        line = re.search(r"\b(HD|UHD|Iris)\b", name) or re.search(r"\bArc\b(?!.*\b(Pro|A\d{3}M?|B\d{3}M?)\b)", name)
        return line is not None or (size is not None and size < _SMALL)
    if _AMD_INTEGRATED.search(name):
        return True
    return size is not None and size < _SMALL and name.endswith("Graphics")
