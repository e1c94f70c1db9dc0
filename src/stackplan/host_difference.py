"""How a machine differs from the host that a profile declares, in sentences."""

from collections import Counter

from stackplan.hardware import Device, Host
from stackplan.units import GIB, format_bytes

# Firmware and kernels keep some of what is built in, so sizes that differ by less tell the same machine.
_SIZE_TOLERANCE = 0.06


def host_differences(declared: Host, machine: Host) -> tuple[str, ...]:
    """What of ``machine`` contradicts ``declared``; empty when a plan for one suits the other."""
    found = []
    wanted, there = _devices(declared), _devices(machine)
    if wanted != there:
        found.append(f"the profile has {_list(wanted)}, this machine has {_list(there)}")
    else:
        found += _pool_differences(declared, machine)
    if declared.operating_system != machine.operating_system:
        found.append(f"the profile is for {declared.operating_system}, this machine runs {machine.operating_system}")
    return tuple(found)


def _devices(host: Host) -> Counter[str]:
    return Counter(_label(device) for device in host.gpus)


def _label(device: Device) -> str:
    return device.catalog_id or device.name


def _list(devices: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(devices.items())) or "no GPU"


def _pool_differences(declared: Host, machine: Host) -> list[str]:
    there = {pool.id: pool for pool in machine.pools}
    found = []
    for pool in declared.pools:
        other = there.get(pool.id)
        if other is None:
            found.append(f"the profile has a pool {pool.id}, this machine has none")
        elif other.capacity_bytes < pool.capacity_bytes * (1 - _SIZE_TOLERANCE):
            sizes = f"{format_bytes(pool.capacity_bytes)} in the profile, {format_bytes(other.capacity_bytes)} here"
            found.append(f"{pool.id}: {sizes}")
        elif pool.budget_bytes - other.budget_bytes > GIB:
            sizes = f"{format_bytes(pool.budget_bytes)} in the profile, {format_bytes(other.budget_bytes)} here now"
            found.append(f"{pool.id} budget: {sizes}")
    return found
