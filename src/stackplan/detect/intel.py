"""Intel devices of the xe and i915 kernel drivers, discrete and integrated.

``mem_info_vram_total`` is amdgpu's and never there; a discrete card tells its memory per tile (xe) or as local
memory (i915). PCI 00:02.0 is the integrated GPU, whatever it is called.
"""

import re

from stackplan.backends import backend_of
from stackplan.detect.gpu import GpuReading, MemoryModel
from stackplan.detect.numbers import integer
from stackplan.detect.pci import CANNOT_COMPUTE, DisplayDevice, cannot_compute, display_devices
from stackplan.detect.world import World

_INTEL = "8086"
_TILE = re.compile(r"tile\d{1,2}")


def intel_devices(world: World) -> list[GpuReading]:
    """Every Intel GPU that an engine could use; one that is too old is kept out of compute with a note."""
    return [
        _reading(world, card) for card in display_devices(world) if card.driver in ("xe", "i915") or _is_intel(card)
    ]


def _is_intel(card: DisplayDevice) -> bool:
    return not card.driver and card.vendor_id == _INTEL


def _reading(world: World, card: DisplayDevice) -> GpuReading:
    memory = _tiles(world, card) or _local_memory(world, card)
    integrated = card.address.endswith("00:02.0") or (not card.address and not memory)
    if integrated:
        return _integrated(card)
    return GpuReading(
        vendor="intel",
        name="Intel discrete GPU",
        backend=backend_of("intel", integrated=False, compute_capability=None),
        memory_model=MemoryModel.DEDICATED if memory else MemoryModel.UNKNOWN,
        total_bytes=memory,
        pci_address=card.address,
        pci_id=card.pci_id,
        pci_revision=card.revision,
        pcie_bytes_per_second=card.pcie_bytes_per_second,
        display_attached=card.display_attached,
        driver=card.driver,
        notes=() if memory else ("the kernel driver does not tell the card's memory",),
    )


def _integrated(card: DisplayDevice) -> GpuReading:
    too_old = cannot_compute(card.pci_id)
    return GpuReading(
        vendor="intel",
        name="Intel integrated GPU",
        backend=backend_of("intel", integrated=True, compute_capability=None),
        memory_model=MemoryModel.UNKNOWN if too_old else MemoryModel.SHARED,
        pci_address=card.address,
        pci_id=card.pci_id,
        pci_revision=card.revision,
        display_attached=card.display_attached,
        integrated=True,
        driver=card.driver,
        notes=(CANNOT_COMPUTE,) if too_old else (),
    )


def _tiles(world: World, card: DisplayDevice) -> int | None:
    """Memory of all tiles of a card of the xe driver; the card's folder and the bus's are the same place."""
    for folder in (card.folder, f"/sys/bus/pci/devices/{card.address}"):
        tiles = [name for name in world.list(folder) if _TILE.fullmatch(name)] or ["tile0"]
        sizes = [integer(world.read_text(f"{folder}/{tile}/physical_vram_size_bytes")) or 0 for tile in tiles]
        if sum(sizes):
            return sum(sizes)
    return None


def _local_memory(world: World, card: DisplayDevice) -> int | None:
    places = (
        f"/sys/class/drm/{card.card}/lmem_total_bytes",
        f"/sys/bus/pci/devices/{card.address}/drm/{card.card}/lmem_total_bytes",
    )
    return next((size for place in places if (size := integer(world.read_text(place)))), None)
