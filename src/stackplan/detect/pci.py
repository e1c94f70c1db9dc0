"""Display devices of Linux by their sysfs folders: identity, link and whether a screen hangs on them."""

import re
from dataclasses import dataclass

from stackplan.detect.numbers import integer, key_values
from stackplan.detect.pcie import generation_of, link_bytes_per_second
from stackplan.detect.world import MOST_DEVICES, World

_DRM = "/sys/class/drm"
_CARD = re.compile(r"card\d{1,3}")

CANNOT_COMPUTE = "integrated graphics of this age cannot compute; the CPU is used"

# First byte of device ids of graphics before Skylake (Linux include/drm/intel/pciids.h: Ivy Bridge 01, Haswell 04, 0a,
# 0c, 0d, Valleyview 0f, Broadwell 16, Cherryview 22): no engine computes on them.
_TOO_OLD = frozenset({"00", "01", "04", "0a", "0c", "0d", "0f", "16", "22"})


@dataclass(frozen=True, slots=True)
class DisplayDevice:
    """One card of /sys/class/drm. ``driver`` is the kernel's: amdgpu, xe, i915, nvidia."""

    card: str
    folder: str
    driver: str
    vendor_id: str
    device_id: str
    revision: str
    address: str
    display_attached: bool | None
    pcie_bytes_per_second: int | None

    @property
    def pci_id(self) -> str:
        """``vendor:device`` as the hardware catalog writes it; empty when unknown."""
        return f"{self.vendor_id}:{self.device_id}" if self.vendor_id and self.device_id else ""


def display_devices(world: World) -> list[DisplayDevice]:
    """Every card in the order of its number; connectors and render nodes are not cards."""
    names = world.list(_DRM)
    cards = sorted((name for name in names if _CARD.fullmatch(name)), key=lambda name: int(name[4:]))
    return [_device(world, card, names) for card in cards[:MOST_DEVICES]]


def cannot_compute(pci_id: str) -> bool:
    """Whether this is an Intel GPU that is too old for every engine."""
    vendor, _, device = pci_id.partition(":")
    return vendor == "8086" and len(device) == 4 and device[:2] in _TOO_OLD


def _device(world: World, card: str, names: tuple[str, ...]) -> DisplayDevice:
    folder = f"{_DRM}/{card}/device"
    event = key_values(world.read_text(f"{folder}/uevent"), "=")
    vendor, _, device = event.get("PCI_ID", "").lower().partition(":")
    return DisplayDevice(
        card=card,
        folder=folder,
        driver=event.get("DRIVER", ""),
        vendor_id=_hexadecimal(world, f"{folder}/vendor") or vendor,
        device_id=_hexadecimal(world, f"{folder}/device") or device,
        revision=_hexadecimal(world, f"{folder}/revision"),
        address=event.get("PCI_SLOT_NAME", ""),
        display_attached=_display(world, card, names),
        pcie_bytes_per_second=_link(world, folder),
    )


def _hexadecimal(world: World, path: str) -> str:
    text = (world.read_text(path) or "").strip().lower().removeprefix("0x")
    return text if re.fullmatch(r"[0-9a-f]{1,8}", text) else ""


def _display(world: World, card: str, names: tuple[str, ...]) -> bool | None:
    states = [world.read_text(f"{_DRM}/{name}/status") for name in names if name.startswith(f"{card}-")]
    told = [state.strip() for state in states if state]
    return ("connected" in told) if told else None


def _link(world: World, folder: str) -> int | None:
    """The widest and fastest link of card and slot; an idle card lowers the current one."""
    generation = generation_of(world.read_text(f"{folder}/max_link_speed") or "")
    return link_bytes_per_second(generation, integer(world.read_text(f"{folder}/current_link_width")))
