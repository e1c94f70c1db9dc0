"""What no driver tells about a device: bandwidth, compute, power, price. Matched exactly, never by substring.

Capacity always comes from the driver. The figures live in ``catalog/hardware/*.yaml``; reading them is
`device_catalog_yaml`'s.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from stackplan.units import GIB

# Two channels of DDR4-3200, what an ordinary desktop has at least: 8 bytes x 2 channels x 3200 MT/s.
ASSUMED_RAM_BANDWIDTH = 51_200_000_000

# ECC takes 1/16 of GDDR6 and HBM2 memory (A6000 49140 -> 46068 MiB, P40 24576 -> 23040 MiB); board variants of one
# name differ by more than this (RTX 3080 10/12 GB, RTX 4060 Ti 8/16 GB), so it tells them apart.
_MEMORY_TOLERANCE = 0.10


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device of the hardware catalog. Sizes in bytes, rates per second; None is unknown."""

    id: str
    vendor: str
    kind: str
    name: str
    driver_names: tuple[str, ...] = ()
    pci_ids: tuple[str, ...] = ()
    pci_revisions: tuple[str, ...] = ()
    architecture: str | None = None
    compute_capability: str | None = None
    multiprocessors: int | None = None
    gpu_cores: int | None = None
    unified: bool = False
    memory_bytes: int | None = None
    nominal_memory_bytes: int | None = None
    memory_options_bytes: tuple[int, ...] = ()
    memory_source: str = ""
    bandwidth_bytes_per_second: int | None = None
    bandwidth_source: str = ""
    compute_flops_per_second: int | None = None
    compute_source: str = ""
    usable_fraction: float | None = None
    tdp_watts: int | None = None
    price_usd: int | None = None
    price_date: str = ""
    price_source: str = ""
    note: str = ""

    @property
    def capacity_bytes(self) -> int | None:
        """What the driver reports, else the nominal size, else None."""
        return self.memory_bytes or self.nominal_memory_bytes


@dataclass(frozen=True, slots=True)
class DeviceCatalog:
    """Every known device, in the order of the files."""

    devices: tuple[DeviceFacts, ...]

    def get(self, device_id: str) -> DeviceFacts | None:
        """The device called ``device_id``, or None."""
        return next((facts for facts in self.devices if facts.id == device_id), None)

    def nearest(self, device_id: str, count: int = 3) -> tuple[str, ...]:
        """Ids that look like ``device_id``, the most alike first."""
        return tuple(get_close_matches(device_id, [facts.id for facts in self.devices], n=count, cutoff=0.5))

    def match(
        self,
        *,
        driver_name: str = "",
        pci_id: str = "",
        pci_revision: str = "",
        memory_bytes: int | None = None,
        gpu_cores: int | None = None,
    ) -> DeviceFacts | None:
        """The one device with this exact driver name or PCI id whose memory agrees; None when none or several do."""
        found = self._by_name(driver_name) or self._by_pci(pci_id, pci_revision)
        found = [facts for facts in found if _memory_agrees(facts, memory_bytes)]
        if gpu_cores is not None:
            found = [facts for facts in found if facts.gpu_cores in (None, gpu_cores)]
        if memory_bytes is not None and len(found) > 1:
            found = _closest(found, memory_bytes)
        return found[0] if len(found) == 1 else None

    def _by_name(self, name: str) -> list[DeviceFacts]:
        wanted = name.casefold()
        return [facts for facts in self.devices if wanted and wanted in map(str.casefold, facts.driver_names)]

    def _by_pci(self, pci_id: str, revision: str) -> list[DeviceFacts]:
        found = [facts for facts in self.devices if pci_id and pci_id.casefold() in facts.pci_ids]
        if not revision:
            return found
        return [facts for facts in found if not facts.pci_revisions or revision.casefold() in facts.pci_revisions]


def _memory_agrees(facts: DeviceFacts, memory_bytes: int | None) -> bool:
    known = facts.capacity_bytes
    if memory_bytes is None or known is None:
        return True
    return abs(known - memory_bytes) <= _MEMORY_TOLERANCE * known


def _closest(found: Iterable[DeviceFacts], memory_bytes: int) -> list[DeviceFacts]:
    """Of equally named devices, the nearest in memory; rates of which memory is unknown do not count."""
    ranked = sorted(found, key=lambda facts: abs((facts.capacity_bytes or 0) - memory_bytes))
    best = abs((ranked[0].capacity_bytes or 0) - memory_bytes)
    return [facts for facts in ranked if abs((facts.capacity_bytes or 0) - memory_bytes) <= best + GIB // 4]
