"""A host as one screen of text: devices, pools as bars, what is held by whom."""

from collections.abc import Iterable

from stackplan.hardware import Device, Host, Pool, Reservation
from stackplan.reservations import DESKTOP, HELD_BY_OTHERS
from stackplan.units import format_bytes, format_gib

_BAR_WIDTH = 40
_NAME_WIDTH = 34
# Glyphs that differ in shape, so that colour carries nothing; the second of each pair is for terminals without them.
_GLYPHS = {"held": ("█", "#"), "reserved": ("▒", "x"), "free": ("░", ".")}


def host_text(host: Host, *, ascii_only: bool = False) -> str:
    """The picture of ``host``: no line is longer than 120 characters unless a name is."""
    lines = [*_head(host), "", *_devices(host), "", *_pools(host, ascii_only), "", *_storage(host)]
    if host.notes:
        lines += ["", *(f" note: {note}" for note in host.notes)]
    return "\n".join(map(_printable, lines))


def _printable(line: str) -> str:
    """What a machine calls itself may hold characters that a terminal obeys."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _head(host: Host) -> list[str]:
    cpu = host.cpu
    cores = f"{cpu.physical_cores} cores, " if cpu.physical_cores else ""
    nodes = f", {cpu.numa_nodes} NUMA nodes" if cpu.numa_nodes > 1 else ""
    driver = f", driver {host.driver}" if host.driver else ""
    return [
        f" {host.name} ({host.origin}; {host.operating_system} {host.machine}{driver})",
        f" cpu   {cpu.model}: {cores}{cpu.usable_threads} usable threads{nodes}",
        f"       {' '.join(cpu.instruction_sets) or 'instruction sets unknown'}",
    ]


def _devices(host: Host) -> list[str]:
    lines = [f" {'device':7}{'name':{_NAME_WIDTH}} {'backend':8} {'pool':8} {'GB/s':>6} {'TFLOPS':>7}  details"]
    return lines + [_device(device) for device in host.devices]


def _device(device: Device) -> str:
    name = device.name if len(device.name) <= _NAME_WIDTH else device.name[: _NAME_WIDTH - 1] + "~"
    bandwidth, compute = _rate(device.bandwidth_bytes_per_second, 10**9), _rate(device.compute_flops_per_second, 10**12)
    row = f" {device.id:7}{name:{_NAME_WIDTH}} {device.backend:8} {device.pool:8} {bandwidth:>6} {compute:>7}"
    return f"{row}  {', '.join(_details(device))}".rstrip()


def _details(device: Device) -> Iterable[str]:
    if device.compute_capability:
        yield device.compute_capability
    if device.multiprocessors:
        yield f"{device.multiprocessors} SM"
    if device.pcie_bytes_per_second:
        yield f"PCIe {device.pcie_bytes_per_second / 10**9:.0f} GB/s"
    if device.display_attached:
        yield "screen"
    if not device.is_cpu and device.catalog_id is None:
        yield "not in the hardware catalog"


def _rate(value: int | None, unit: int) -> str:
    return "?" if value is None else f"{value / unit:.0f}"


def _pools(host: Host, ascii_only: bool) -> list[str]:
    held, reserved, free = (glyphs[ascii_only] for glyphs in _GLYPHS.values())
    lines = []
    for pool in host.pools:
        lines += _pool(pool, (held, reserved, free))
        lines += [line for device in host.gpus if device.pool == pool.id for line in _capacities(device)]
    return [*lines, f" {held} held  {reserved} reserved  {free} free for models"]


def _pool(pool: Pool, glyphs: tuple[str, str, str]) -> list[str]:
    if pool.unknown:
        return [f" {pool.id:8} capacity unknown: {pool.unknown}"]
    held = sum(line.bytes for line in pool.reserved if line.name in (HELD_BY_OTHERS, DESKTOP))
    bar = _bar(pool.capacity_bytes, held, pool.reserved_bytes - held, glyphs)
    budget, capacity = format_gib(pool.budget_bytes), format_gib(pool.capacity_bytes)
    return [
        f" {pool.id:8} {bar}  {budget} of {capacity} GiB for models ({pool.kind})",
        *(_reservation(line) for line in pool.reserved),
    ]


def _bar(capacity: int, held: int, reserved: int, glyphs: tuple[str, str, str]) -> str:
    """Rounded so that the cells always add up to the bar's width."""
    ends = [min(_BAR_WIDTH, round(_BAR_WIDTH * size / capacity)) for size in (held, held + reserved)]
    return glyphs[0] * ends[0] + glyphs[1] * (ends[1] - ends[0]) + glyphs[2] * (_BAR_WIDTH - ends[1])


def _reservation(line: Reservation) -> str:
    return f"          - {line.name:16} {format_bytes(line.bytes):>10}  {line.basis:9} {line.note}".rstrip()


def _capacities(device: Device) -> Iterable[str]:
    """What each of several interfaces addresses; the one that engines use is marked."""
    for one in device.capacities if len(device.capacities) > 1 else ():
        name = f"through {one.backend}"
        note = f"{one.note} (used)" if one.backend is device.backend else one.note
        yield f"          = {name:16} {format_bytes(one.bytes):>10}  {one.basis:9} {note}".rstrip()


def _storage(host: Host) -> list[str]:
    disks = host.disks or ((host.disk,) if host.disk else ())
    if not disks:
        return [" disk     unknown"]
    sizes = [(disk, format_bytes(disk.free_bytes), format_bytes(disk.capacity_bytes)) for disk in disks]
    return [f" disk     {disk.path}: {free} of {capacity} free ({disk.kind})" for disk, free, capacity in sizes]
