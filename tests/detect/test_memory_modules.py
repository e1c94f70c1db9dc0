"""SMBIOS type 17 structures: channels, rates, empty slots, and nothing that identifies a module."""

import pytest

from stackplan.detect.memory_modules import MemoryModule, parse_module, peak_bandwidth


def _structure(device: str, bank: str, *, size: int = 16384, speed: int = 5600, configured: int = 4800) -> bytes:
    """A structure as the SMBIOS 3.2 specification lays it out, with a serial number among its strings."""
    raw = bytearray(0x54)
    raw[0], raw[1] = 17, len(raw)
    raw[0x0C:0x0E] = size.to_bytes(2, "little")
    raw[0x10], raw[0x11], raw[0x18] = 1, 2, 3
    raw[0x15:0x17] = speed.to_bytes(2, "little")
    raw[0x20:0x22] = configured.to_bytes(2, "little")
    return bytes(raw) + b"\0".join([device.encode(), bank.encode(), b"SERIAL42"]) + b"\0\0"


@pytest.mark.parametrize(
    ("device", "bank", "channel"),
    [
        ("DIMM 0", "P0 CHANNEL A", "0.A"),
        ("DIMM_B2", "BANK 3", "B"),
        ("P1_Node0_Channel3_Dimm0", "", "1.3"),
        ("ChannelB-DIMM0", "BANK 2", "B"),
        ("Top slot", "left", "left Top slot"),
    ],
)
def test_the_channel_is_told_by_the_locators(device: str, bank: str, channel: str) -> None:
    assert parse_module(_structure(device, bank)) == MemoryModule(channel, 4800)


def test_the_configured_rate_counts_and_else_the_modules_own() -> None:
    assert parse_module(_structure("DIMM_A1", "", configured=0)) == MemoryModule("A", 5600)


@pytest.mark.parametrize(
    "raw", [b"", b"\x11", _structure("A", "B", size=0), _structure("A", "B", speed=0, configured=0)]
)
def test_empty_slots_and_unknown_rates_are_left_out(raw: bytes) -> None:
    assert parse_module(raw) is None


def test_a_channel_counts_once_at_its_slowest_module() -> None:
    modules = [MemoryModule("A", 5600), MemoryModule("A", 4800), MemoryModule("B", 5600)]
    assert peak_bandwidth(modules) == (4800 + 5600) * 10**6 * 8
    assert peak_bandwidth([]) is None
