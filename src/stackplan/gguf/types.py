"""GGML tensor types and GGUF file types: the one table of bytes per block in stackplan.

Source: ggml's public block structs and type traits, and llama.cpp's list of file types, build b11434
(November 2026), read back through the library's own size functions. A file may use a type that is not here:
it has a name (``unknown-47``) and no size, and nothing crashes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class GgmlType:
    """One way to store values: ``block_elements`` consecutive values of a row take ``block_bytes``."""

    id: int
    name: str
    block_elements: int
    block_bytes: int

    @property
    def bits_per_weight(self) -> float:
        """Storage bits per value, scales included."""
        return self.block_bytes * 8 / self.block_elements


# Ids 4, 5, 31 to 33 and 36 to 38 were withdrawn by ggml and are in no current file.
GGML_TYPES: Final = tuple(
    GgmlType(*row)
    for row in (
        (0, "f32", 1, 4),
        (1, "f16", 1, 2),
        (2, "q4_0", 32, 18),
        (3, "q4_1", 32, 20),
        (6, "q5_0", 32, 22),
        (7, "q5_1", 32, 24),
        (8, "q8_0", 32, 34),
        (9, "q8_1", 32, 36),
        (10, "q2_k", 256, 84),
        (11, "q3_k", 256, 110),
        (12, "q4_k", 256, 144),
        (13, "q5_k", 256, 176),
        (14, "q6_k", 256, 210),
        (15, "q8_k", 256, 292),
        (16, "iq2_xxs", 256, 66),
        (17, "iq2_xs", 256, 74),
        (18, "iq3_xxs", 256, 98),
        (19, "iq1_s", 256, 50),
        (20, "iq4_nl", 32, 18),
        (21, "iq3_s", 256, 110),
        (22, "iq2_s", 256, 82),
        (23, "iq4_xs", 256, 136),
        (24, "i8", 1, 1),
        (25, "i16", 1, 2),
        (26, "i32", 1, 4),
        (27, "i64", 1, 8),
        (28, "f64", 1, 8),
        (29, "iq1_m", 256, 56),
        (30, "bf16", 1, 2),
        (34, "tq1_0", 256, 54),
        (35, "tq2_0", 256, 66),
        (39, "mxfp4", 32, 17),
        (40, "nvfp4", 64, 36),
        (41, "q1_0", 128, 18),
        (42, "q2_0", 64, 18),
    )
)
TYPE_BY_ID: Final = {entry.id: entry for entry in GGML_TYPES}
TYPE_BY_NAME: Final = {entry.name: entry for entry in GGML_TYPES}

# `general.file_type`: what the quantiser was asked for. Mixtures by publishers ("UD-Q4_K_XL") carry the nearest one.
FILE_TYPES: Final = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
    41: "Q2_0",
}
DEFAULT_ALIGNMENT: Final = 32  # bytes, when `general.alignment` is absent


def type_name(type_id: int) -> str:
    """Lower-case name of a ggml type id; ``unknown-47`` for one that is not in the table."""
    known = TYPE_BY_ID.get(type_id)
    return known.name if known else f"unknown-{type_id}"


def tensor_bytes(shape: Sequence[int], type_name: str) -> int | None:
    """Bytes of a tensor's values without alignment padding; ``shape[0]`` is the row.

    None when the type is unknown or the row is not a whole number of blocks, which no engine can load.
    """
    known = TYPE_BY_NAME.get(type_name)
    if known is None:
        return None
    row = shape[0] if shape else 1
    if row % known.block_elements:
        return None
    size = row // known.block_elements * known.block_bytes
    for dimension in shape[1:]:
        size *= dimension
    return size


def padded(size_bytes: int, alignment: int = DEFAULT_ALIGNMENT) -> int:
    """``size_bytes`` rounded up to the alignment at which the next tensor starts."""
    return -(-size_bytes // alignment) * alignment
