"""PCIe links: usable bytes per second of a generation and width."""

# Usable MB/s of one lane, after encoding, by generation (PCI-SIG base specifications: 8b/10b, 128b/130b, FLIT).
_LANE_MEGABYTES = {1: 250, 2: 500, 3: 985, 4: 1969, 5: 3938, 6: 7563}
_GENERATIONS = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}


def link_bytes_per_second(generation: int | None, width: int | None) -> int | None:
    """Bytes per second of ``width`` lanes in one direction; None when either is unknown."""
    lane = _LANE_MEGABYTES.get(generation or 0)
    return lane * width * 10**6 if lane and width else None


def generation_of(gigatransfers: str) -> int | None:
    """The generation of a rate as Linux writes it: ``16.0 GT/s PCIe`` is 4."""
    return _GENERATIONS.get(gigatransfers.partition(" ")[0])
