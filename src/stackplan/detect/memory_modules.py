"""Memory modules as the firmware lists them (SMBIOS type 17): channels and transfer rate, so peak bandwidth.

Linux lets only root read these tables; without them bandwidth is measured on request or assumed. A structure also
holds the module's serial number: only the two figures below ever leave this module.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_ENTRIES = "/sys/firmware/dmi/entries"
_MEMORY_DEVICE = 17
_CHANNEL_BYTES = 8
_PLAUSIBLE_RATES = range(200, 20_000)

# "P0 CHANNEL A", "P0_Node1_Channel2_Dimm0", "CPU1_DIMM_A1", "DIMM_B2", "ChannelA-DIMM0"
_CHANNEL = re.compile(r"channel[\s_-]*([a-z0-9])", re.IGNORECASE)
_SLOT = re.compile(r"dimm[\s_-]*([a-z])\d?\b", re.IGNORECASE)
_SOCKET = re.compile(r"(?:\bp|cpu|node|proc)[\s_-]*(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MemoryModule:
    """A populated module: its channel and 10^6 transfers per second."""

    channel: str
    megatransfers_per_second: int


def peak_bandwidth(modules: Iterable[MemoryModule]) -> int | None:
    """Bytes per second of all populated channels: 8 bytes a transfer, at the slowest module of each channel."""
    rates: dict[str, int] = {}
    for module in modules:
        rate = module.megatransfers_per_second
        rates[module.channel] = min(rate, rates.get(module.channel, rate))
    return sum(rates.values()) * 10**6 * _CHANNEL_BYTES or None


def read_modules() -> tuple[MemoryModule, ...]:
    """The populated modules of the machine at hand; empty when the tables cannot be read."""
    found = []
    for path in sorted(Path(_ENTRIES).glob(f"{_MEMORY_DEVICE}-*/raw")):
        try:
            module = parse_module(path.read_bytes())
        except OSError:
            return ()
        if module is not None:
            found.append(module)
    return tuple(found)


def parse_module(raw: bytes) -> MemoryModule | None:
    """One structure of type 17 (SMBIOS 2.3 and later); None for an empty slot or an unknown rate."""
    if len(raw) < 0x17 or raw[0] != _MEMORY_DEVICE or raw[1] < 0x17 or _word(raw, 0x0C) == 0:
        return None
    configured = _word(raw, 0x20) if raw[1] >= 0x22 else 0
    rate = configured or _word(raw, 0x15)
    if rate not in _PLAUSIBLE_RATES:
        return None
    strings = raw[raw[1] :].split(b"\0")
    locators = [_text(strings, raw[place]) for place in (0x11, 0x10)]
    return MemoryModule(_channel(locators), rate)


def _word(raw: bytes, place: int) -> int:
    return int.from_bytes(raw[place : place + 2], "little")


def _text(strings: list[bytes], number: int) -> str:
    return strings[number - 1].decode("ascii", "replace").strip() if 0 < number <= len(strings) else ""


def _channel(locators: list[str]) -> str:
    """The channel's name, with the socket where one is told; a slot without a channel is one of its own."""
    whole = " ".join(locators)
    socket = _SOCKET.search(whole)
    channel = _CHANNEL.search(whole) or _SLOT.search(whole)
    name = channel[1].upper() if channel else re.sub(r"[^A-Za-z0-9 ]+", " ", whole)[:40]
    return f"{socket[1]}.{name}" if socket else name
