"""AMD devices from amdgpu's sysfs files and the KFD topology; no ROCm installation is needed.

An APU has a carve-out (VRAM that the system cannot use) and GTT (the system's own memory). It uses the larger,
never the sum. With a large carve-out the system's memory says nothing about the GPU's; with GTT it bounds it.
"""

from dataclasses import dataclass

from stackplan.backends import backend_of
from stackplan.detect.gpu import GpuReading, MemoryModel
from stackplan.detect.numbers import integer, key_values
from stackplan.detect.pci import DisplayDevice, display_devices
from stackplan.detect.visibility import visible_to_rocm
from stackplan.detect.world import MOST_DEVICES, World
from stackplan.units import GIB

_KFD = "/sys/class/kfd/kfd/topology/nodes"
_AMD = "1002"
_KFD_VENDOR = "4098"

# Graphics targets that exist only within a processor (LLVM AMDGPU usage guide, table of processors).
_APU_TARGETS = frozenset(
    {"gfx902", "gfx909", "gfx90c", "gfx1013", "gfx1033", "gfx1035", "gfx1036", "gfx1037"}
    | {"gfx1103", "gfx1150", "gfx1151", "gfx1152", "gfx1153"}
)


_LARGEST_USUAL_CARVE_OUT = 4 * GIB
_SMALLEST_CARD = 1 * GIB


@dataclass(frozen=True, slots=True)
class _Node:
    """A GPU of the KFD topology."""

    target: str
    is_apu: bool
    device_id: str
    address: str
    local_bytes: int


def amd_devices(world: World, system_bytes: int) -> list[GpuReading]:
    """Every AMD GPU; ``system_bytes`` is the memory of the operating system, which bounds GTT."""
    cards = [card for card in display_devices(world) if _is_amdgpu(world, card)]
    nodes = _nodes(world)
    readings = [_reading(world, card, _node_of(card, nodes, len(cards)), system_bytes) for card in cards]
    return visible_to_rocm(world, readings or [_from_node(node) for node in nodes])


def _is_amdgpu(world: World, card: DisplayDevice) -> bool:
    if card.driver or card.vendor_id:
        return card.driver == "amdgpu" or (not card.driver and card.vendor_id == _AMD)
    return world.read_text(f"{card.folder}/mem_info_vram_total") is not None


def _reading(world: World, card: DisplayDevice, node: _Node | None, system_bytes: int) -> GpuReading:
    video = _size(world, card, "vram_total") or 0
    shared = min(_size(world, card, "gtt_total") or 0, system_bytes)
    target = node.target if node else None
    integrated = _is_apu(world, card, node, video, shared)
    uses_shared = integrated and shared > video
    total = shared if uses_shared else video or (node.local_bytes if node else 0) or None
    used = _size(world, card, "gtt_used" if uses_shared else "vram_used")
    model = MemoryModel.SHARED if uses_shared else MemoryModel.DEDICATED if total else MemoryModel.UNKNOWN
    return GpuReading(
        vendor="amd",
        name=(world.read_text(f"{card.folder}/product_name") or "").strip() or _generic_name(target, integrated),
        backend=backend_of("amd", integrated=integrated, compute_capability=target),
        memory_model=model,
        total_bytes=total,
        free_bytes=max(0, total - used) if total and used is not None and not uses_shared else None,
        pci_address=card.address,
        pci_id=card.pci_id or (f"{_AMD}:{node.device_id}" if node else ""),
        pci_revision=card.revision,
        compute_capability=target,
        pcie_bytes_per_second=None if integrated else card.pcie_bytes_per_second,
        display_attached=card.display_attached,
        integrated=integrated,
        driver="amdgpu",
        carve_out_bytes=video if integrated else None,
        shared_bytes=shared if integrated else None,
        runtime_bytes=node.local_bytes if node and integrated and node.local_bytes > video else None,
        notes=_notes(integrated, uses_shared, video, shared),
    )


def _size(world: World, card: DisplayDevice, name: str) -> int | None:
    return integer(world.read_text(f"{card.folder}/mem_info_{name}"))


def _is_apu(world: World, card: DisplayDevice, node: _Node | None, video: int, shared: int) -> bool:
    """By target; else by the maker of the video memory, which only a card has; else by a carve-out beside GTT.

    KFD's ``local_mem_size`` is 0 for an APU, but newer kernels write 0 for every card, so it proves nothing alone. A
    target that no list knows is an APU's only with the smallest carve-outs: cards have 2 GiB and more.
    """
    if node is not None and (node.is_apu or node.local_bytes):
        return node.is_apu
    maker = (world.read_text(f"{card.folder}/mem_info_vram_vendor") or "unknown").strip()
    if maker != "unknown":
        return False
    largest = _SMALLEST_CARD if node is not None and node.target else _LARGEST_USUAL_CARVE_OUT
    return video <= largest and shared >= 8 * GIB and shared >= 4 * video


def _generic_name(target: str | None, integrated: bool) -> str:
    return f"AMD {'integrated GPU' if integrated else 'GPU'}{f' ({target})' if target else ''}"


def _notes(integrated: bool, uses_shared: bool, video: int, shared: int) -> tuple[str, ...]:
    if not integrated:
        return ()
    kind = "shared memory (GTT)" if uses_shared else "the carve-out"
    notes = [f"uses {kind}: {max(video, shared) // 2**20} MiB"]
    if uses_shared:
        notes.append("the kernel parameter ttm.pages_limit raises it; amdgpu.gttsize is gone")
    return tuple(notes)


def _nodes(world: World) -> list[_Node]:
    """KFD nodes that are GPUs: those with SIMDs."""
    found = []
    names = sorted(world.list(_KFD), key=lambda name: integer(name) or 0)
    for name in names[: 2 * MOST_DEVICES]:  # processors are nodes too
        rows = key_values(world.read_text(f"{_KFD}/{name}/properties"), " ")
        if (integer(rows.get("simd_count")) or 0) == 0 or rows.get("vendor_id", _KFD_VENDOR) != _KFD_VENDOR:
            continue
        found.append(_node(world, name, rows))
    return found


def _node(world: World, name: str, rows: dict[str, str]) -> _Node:
    target = _target(integer(rows.get("gfx_target_version")) or 0)
    if not target:
        target = (world.read_text(f"{_KFD}/{name}/name") or rows.get("name", "")).strip()
    local = integer(rows.get("local_mem_size"))
    bank = _local_bank(world, name)
    is_apu = target in _APU_TARGETS
    location, domain = integer(rows.get("location_id")) or 0, integer(rows.get("domain")) or 0
    address = f"{domain:04x}:{location >> 8:02x}:{location >> 3 & 31:02x}.{location & 7}" if location else ""
    return _Node(target, is_apu, f"{integer(rows.get('device_id')) or 0:04x}", address, bank or local or 0)


def _target(version: int) -> str:
    """110501 is gfx1151: major, minor and stepping of two digits each, the last two in hexadecimal."""
    if not 0 < version < 1_000_000:
        return ""
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"


def _local_bank(world: World, name: str) -> int:
    """Bytes of video memory: banks of heap type 1 (visible) and 2 (not visible to the CPU)."""
    folder, total = f"{_KFD}/{name}/mem_banks", 0
    for bank in world.list(folder):
        rows = key_values(world.read_text(f"{folder}/{bank}/properties"), " ")
        if rows.get("heap_type") in ("1", "2"):
            total += integer(rows.get("size_in_bytes")) or 0
    return total


def _node_of(card: DisplayDevice, nodes: list[_Node], cards: int) -> _Node | None:
    """The node at the card's address; else the only one of its device id, or the only one at all."""
    for candidates in (
        [node for node in nodes if card.address and node.address == card.address],
        [node for node in nodes if card.device_id and node.device_id == card.device_id],
        nodes if cards == 1 else [],
    ):
        if len(candidates) == 1:
            return candidates[0]
    return None


def _from_node(node: _Node) -> GpuReading:
    """A container with /dev/kfd but without /sys/class/drm."""
    known = node.local_bytes or None
    return GpuReading(
        vendor="amd",
        name=_generic_name(node.target, node.is_apu),
        backend=backend_of("amd", integrated=node.is_apu, compute_capability=node.target),
        memory_model=MemoryModel.DEDICATED if known else MemoryModel.UNKNOWN,
        total_bytes=known,
        pci_address=node.address,
        pci_id=f"{_AMD}:{node.device_id}",
        compute_capability=node.target,
        integrated=node.is_apu,
        driver="amdgpu",
        notes=() if known else ("KFD tells no memory of its own and amdgpu's files are not visible here",),
    )
