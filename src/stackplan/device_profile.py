"""A host on the fly from names of the hardware catalog: ``rtx-5070-ti``, ``2x rtx-3090``, ``m4-max-64gb``."""

import re

from stackplan.declared_host import DeclaredDevice, DeclaredMachine, declare_host
from stackplan.device_catalog import DeviceCatalog, DeviceFacts
from stackplan.device_catalog_yaml import load_device_catalog
from stackplan.errors import UserError
from stackplan.hardware import Cpu, Host
from stackplan.units import GIB, format_bytes

_SMALLEST_RAM = 32 * GIB
_MOST_DEVICES = 64
_COUNTED = re.compile(r"(?:(\d{1,3})\s*[xX]\s*)?(\S+)")
_SIZE_SUFFIX = re.compile(r"(?P<base>.+)-(?P<gib>\d{1,4})gb")
_CORES_SUFFIX = re.compile(r"-\d+c")


def device_profile_host(name: str, *, ram_bytes: int | None = None) -> Host | None:
    """The host that ``name`` describes; None when it names no known device.

    Raises UserError when a count is out of bounds or unified devices are mixed.
    """
    catalog = load_device_catalog()
    devices: list[DeviceFacts] = []
    physical: int | None = None
    for part in name.strip().lower().split("+"):
        match = _COUNTED.fullmatch(part.strip())
        found = _find(catalog, match[2]) if match else None
        if match is None or found is None:
            return None
        facts, size = found
        physical = physical or size
        devices += [facts] * _count(match[1], part)
    if len(devices) > 1 and any(facts.unified for facts in devices):
        raise UserError(
            f"{name}: a device with unified memory is a machine of its own",
            hint="plan each machine on its own",
            slug="unified-combined",
        )
    return _host(name, devices, ram_bytes, physical)


def _count(text: str | None, part: str) -> int:
    count = int(text) if text else 1
    if not 1 <= count <= _MOST_DEVICES:
        raise UserError(
            f"{part.strip()}: a host has 1 to {_MOST_DEVICES} devices", hint="lower the count", slug="bad-count"
        )
    return count


def _find(catalog: DeviceCatalog, name: str) -> tuple[DeviceFacts, int | None] | None:
    """The device and, for unified ones, the physical memory that the name tells."""
    name = name.removeprefix("apple-").replace("/", "-")
    exact = catalog.get(name)
    if exact is not None:
        return exact, exact.nominal_memory_bytes
    match = _SIZE_SUFFIX.fullmatch(name)
    size = int(match["gib"]) * GIB if match else None
    base = match["base"] if match else name
    wanted = [facts for facts in catalog.devices if base in (facts.id, _CORES_SUFFIX.sub("", facts.id))]
    sized = [facts for facts in wanted if size is None or size in _sizes(facts)]
    if not sized:
        return None
    # Chips of one name that differ in cores: the slower one, so that no plan promises what the machine lacks.
    facts = min(sized, key=lambda facts: (facts.bandwidth_bytes_per_second or 0, facts.id))
    return facts, size or facts.nominal_memory_bytes


def _sizes(facts: DeviceFacts) -> tuple[int, ...]:
    return facts.memory_options_bytes or ((facts.nominal_memory_bytes,) if facts.nominal_memory_bytes else ())


def _host(name: str, devices: list[DeviceFacts], ram_bytes: int | None, physical: int | None) -> Host:
    gpus = [facts for facts in devices if facts.vendor != "cpu"]
    cpu = next((facts for facts in devices if facts.vendor == "cpu"), None)
    notes = []
    unified = any(facts.unified for facts in gpus)
    ram = ram_bytes or (physical if unified else None)
    if ram is None:
        ram = _assumed_ram(gpus)
        notes.append(f"host memory assumed: {format_bytes(ram)}; say --ram")
    apple = any(facts.vendor == "apple" for facts in gpus)
    soc = apple or any(facts.kind in ("jetson", "unified-soc") for facts in gpus)
    machine = DeclaredMachine(
        id=re.sub(r"[^a-z0-9.\-]+", "-", name.strip().lower()),
        name=" + ".join(dict.fromkeys(facts.name for facts in devices)),
        ram_bytes=ram,
        operating_system="darwin" if apple else "linux",
        machine="arm64" if apple else "aarch64" if soc else "x86_64",
        cpu=Cpu(cpu.name if cpu else "CPU", None, 8, (), 1, cpu.bandwidth_bytes_per_second if cpu else None),
        notes=tuple(notes),
    )
    return declare_host(machine, [DeclaredDevice(facts) for facts in gpus])


def _assumed_ram(gpus: list[DeviceFacts]) -> int:
    """The next power of two above the video memory: what such machines are usually built with."""
    ram, wanted = _SMALLEST_RAM, sum(facts.capacity_bytes or 0 for facts in gpus)
    while ram < wanted:
        ram *= 2
    return ram
