"""NVIDIA's management library, asked once: every answer as plain data, every refusal as a state.

This is the only module that calls the library. The snapshot is what a recording holds (docs/detect.md).
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Where a driver shows itself; without one of these the library is not even looked for (its import costs 30 ms).
_SIGNS = (
    "/proc/driver/nvidia/version",
    "/dev/nvidiactl",
    "/dev/nvhost-gpu",
    "/dev/nvgpu",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
)
PROGRAMS = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")
"""The driver's own programs, which ask the same library."""

_WSL_LIBRARY = "/usr/lib/wsl/lib/libnvidia-ml.so.1"


def driver_is_plausible(system: str) -> bool:
    """Whether this machine may have the library; on Windows only trying tells."""
    return system == "windows" or any(Path(sign).exists() for sign in _SIGNS)


def snapshot() -> dict[str, Any] | None:
    """Everything that detection wants to know, or None when the library cannot be used."""
    try:
        import pynvml  # type: ignore[import-untyped]  # noqa: PLC0415  (only with a driver)
    except ImportError:
        return None
    _prefer_wsl_library(pynvml)
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return {"error": _state(error), "devices": []}
    try:
        return _driver(pynvml)
    finally:
        pynvml.nvmlShutdown()


def process_bytes() -> dict[str, dict[int, int | None]]:
    """Bytes that each process holds on each card or slice, by the device's UUID, in the driver's order.

    None where the driver knows that a process is there and not what it holds. Empty without a usable library.
    """
    try:
        import pynvml  # noqa: PLC0415  (only with a driver)
    except ImportError:
        return {}
    _prefer_wsl_library(pynvml)
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}
    try:
        return dict(_held(_Asker(pynvml)))
    finally:
        pynvml.nvmlShutdown()


def _held(ask: "_Asker") -> Iterator[tuple[str, dict[int, int | None]]]:
    for index in range(ask.value("nvmlDeviceGetCount") or 0):
        handle = ask.value("nvmlDeviceGetHandleByIndex", index)
        if handle is None:
            continue
        parts = [
            ask.value("nvmlDeviceGetMigDeviceHandleByIndex", handle, number)
            for number in range(ask.value("nvmlDeviceGetMaxMigDeviceCount", handle) or 0)
        ]
        for device in (handle, *filter(None, parts)):
            yield ask.text("nvmlDeviceGetUUID", device), _bytes_by_process(ask, device)


def _bytes_by_process(ask: "_Asker", handle: Any) -> dict[int, int | None]:
    calls = ("nvmlDeviceGetGraphicsRunningProcesses", "nvmlDeviceGetComputeRunningProcesses")
    return {process.pid: process.usedGpuMemory for call in calls for process in ask.value(call, handle) or ()}


def _prefer_wsl_library(pynvml: Any) -> None:
    """Under WSL2 the host's library counts; a Linux driver's of the same name answers DRIVER_NOT_LOADED."""
    import ctypes  # noqa: PLC0415

    if Path(_WSL_LIBRARY).exists() and getattr(pynvml, "nvmlLib", 0) is None:
        try:
            pynvml.nvmlLib = ctypes.CDLL(_WSL_LIBRARY)
        except OSError:
            return


def _driver(pynvml: Any) -> dict[str, Any]:
    ask = _Asker(pynvml)
    count = ask.value("nvmlDeviceGetCount") or 0
    devices = []
    for index in range(count):
        handle = ask.value("nvmlDeviceGetHandleByIndex", index)
        if handle is not None:
            devices.append({"index": index, **_device(ask, handle)})
        else:
            devices.append({"index": index, "error": ask.state("nvmlDeviceGetHandleByIndex", index)})
    return {"driver_version": ask.text("nvmlSystemGetDriverVersion"), "devices": devices}


class _Asker:
    """Calls the library; a refusal is None, `state` tells its name."""

    def __init__(self, pynvml: Any) -> None:
        self.pynvml = pynvml

    def value(self, name: str, *arguments: Any, **options: Any) -> Any:
        call: Callable[..., Any] | None = getattr(self.pynvml, name, None)
        if call is None:
            return None
        try:
            return call(*arguments, **options)
        except (self.pynvml.NVMLError, UnicodeDecodeError):
            return None

    def state(self, name: str, *arguments: Any) -> str:
        try:
            getattr(self.pynvml, name)(*arguments)
        except self.pynvml.NVMLError as error:
            return _state(error)
        return "OK"

    def text(self, name: str, *arguments: Any) -> str:
        answer = self.value(name, *arguments)
        return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer or "")


def _state(error: Exception) -> str:
    """``NOT_SUPPORTED``, ``NO_PERMISSION``, ``GPU_IS_LOST`` ... whatever the library calls it."""
    name = type(error).__name__.removeprefix("NVMLError_")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def _device(ask: _Asker, handle: Any) -> dict[str, Any]:
    pci = ask.value("nvmlDeviceGetPciInfo", handle)
    combined = getattr(pci, "pciDeviceId", None)
    facts = {
        "name": ask.text("nvmlDeviceGetName", handle),
        "uuid": ask.text("nvmlDeviceGetUUID", handle),
        "pci_address": _decoded(getattr(pci, "busId", "")),
        "pci_id": f"{combined & 0xFFFF:04x}:{combined >> 16:04x}" if combined else "",
        "memory": _memory(ask, handle),
        "compute_capability": _pair(ask.value("nvmlDeviceGetCudaComputeCapability", handle)),
        "cores": ask.value("nvmlDeviceGetNumGpuCores", handle),
        "memory_bus_bits": ask.value("nvmlDeviceGetMemoryBusWidth", handle),
        "memory_clock_mhz": ask.value("nvmlDeviceGetMaxClockInfo", handle, 2),
        "pcie_generation": ask.value("nvmlDeviceGetMaxPcieLinkGeneration", handle),
        "pcie_width": ask.value("nvmlDeviceGetCurrPcieLinkWidth", handle),
        "display_active": _flag(ask.value("nvmlDeviceGetDisplayActive", handle)),
        "ecc": _flag(_first(ask.value("nvmlDeviceGetEccMode", handle))),
        "mig": _flag(_first(ask.value("nvmlDeviceGetMigMode", handle))),
        "processes": _processes(ask, handle),
    }
    if facts["mig"] or "state" in facts["memory"]:  # a card whose memory may not be asked may be divided
        facts["slices"] = _slices(ask, handle)
        facts["mig"] = bool(facts["slices"]) or facts["mig"]
    return facts


def _memory(ask: _Asker, handle: Any) -> dict[str, Any]:
    """Version 2 tells what the driver keeps apart from what programs use; version 1 adds them up."""
    version2 = getattr(ask.pynvml, "nvmlMemory_v2", None)
    answer = ask.value("nvmlDeviceGetMemoryInfo", handle, version=version2) if version2 else None
    if answer is None:
        answer = ask.value("nvmlDeviceGetMemoryInfo", handle)
    if answer is None:
        return {"state": ask.state("nvmlDeviceGetMemoryInfo", handle)}
    facts = {"total": answer.total, "free": answer.free, "used": answer.used}
    reserved = getattr(answer, "reserved", None)
    return facts if reserved is None else {**facts, "reserved": reserved}


def _slices(ask: _Asker, handle: Any) -> list[dict[str, Any]]:
    found = []
    for index in range(ask.value("nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        part = ask.value("nvmlDeviceGetMigDeviceHandleByIndex", handle, index)
        if part is None:
            continue
        attributes = ask.value("nvmlDeviceGetAttributes", part)
        found.append(
            {
                "name": ask.text("nvmlDeviceGetName", part),
                "uuid": ask.text("nvmlDeviceGetUUID", part),
                "memory": _memory(ask, part),
                "multiprocessors": getattr(attributes, "multiprocessorCount", None),
                "gpu_instance": ask.value("nvmlDeviceGetGpuInstanceId", part),
                "processes": _processes(ask, part),
            }
        )
    return found


def _processes(ask: _Asker, handle: Any) -> list[dict[str, Any]]:
    """Who holds memory, the largest first; programs by base name only."""
    found: dict[int, dict[str, Any]] = {}
    for kind, call in (
        ("compute", "nvmlDeviceGetComputeRunningProcesses"),
        ("graphics", "nvmlDeviceGetGraphicsRunningProcesses"),
    ):
        for process in ask.value(call, handle) or ():
            name = ask.text("nvmlSystemGetProcessName", process.pid).replace("\\", "/").split("/")[-1].split(" ")[0]
            found.setdefault(process.pid, {"name": name or "a process", "bytes": process.usedGpuMemory, "kind": kind})
    return sorted(found.values(), key=lambda row: (-(row["bytes"] or 0), row["name"]))


def _pair(answer: Any) -> str | None:
    return f"{answer[0]}.{answer[1]}" if answer else None


def _first(answer: Any) -> Any:
    return answer[0] if isinstance(answer, list | tuple) and answer else answer


def _flag(answer: Any) -> bool | None:
    return None if answer is None else bool(answer)


def _decoded(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
