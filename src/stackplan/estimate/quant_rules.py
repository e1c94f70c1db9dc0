"""The quantiser's recipe as data: categories of tensors, lines of choice, fallbacks.

Source: ``llama-quantize`` of llama.cpp build b11434 (November 2026), read in its source and checked against its
``--dry-run``. A line reads "these file types, when these conditions hold, take this type"; the first that applies
wins, and where none does a tensor takes the file type's default.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

# Categories, by the name of a tensor.
OUTPUT = "output"
EMBEDDING = "embedding"
VALUE = "value"  # attn_v, fused attn_qkv and latent attn_kv_b: the tensors that suffer most
KEY = "key"
QUERY = "query"
ATTENTION_OUTPUT = "attention-output"
UP = "up"
GATE = "gate"
DOWN = "down"
OTHER = "other"

_EXACT_NAMES: Final = {
    "output.weight": OUTPUT,
    "token_embd.weight": EMBEDDING,
    "per_layer_token_embd.weight": EMBEDDING,
}
_NAME_PARTS: Final = (
    ("attn_qkv.weight", VALUE),
    ("attn_kv_b.weight", VALUE),
    ("attn_v.weight", VALUE),
    ("attn_k.weight", KEY),
    ("attn_q.weight", QUERY),
    ("attn_output.weight", ATTENTION_OUTPUT),
    ("ffn_up", UP),
    ("ffn_gate", GATE),
    ("ffn_down", DOWN),
)

# Matrices that stay as the converter wrote them: too small or too sensitive.
_KEPT_NAMES: Final = frozenset({"position_embd.weight", "token_types.weight"})
_KEPT_TIME_MIX: Final = "first w0 w1 w2 v0 v1 v2 a0 a1 a2 g1 g2 decay_w1 decay_w2 lerp_fused".split()  # noqa: SIM905
_KEPT_PARTS: Final = (
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    *(f"time_mix_{part}.weight" for part in _KEPT_TIME_MIX),
    "attn_rel_b.weight",
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
)
# Matrices that one architecture keeps beyond those, and matrices that it never takes below q8_0.
KEPT_PARTS_BY_ARCHITECTURE: Final = {
    "glm5-next": (
        "hc_",
        "indexer.attn_q_b",
        "indexer.attn_k",
        "indexer.proj",
        "indexer_compressor_gate",
        "indexer_compressor_ape",
        "ssm_f_a.weight",
        "ssm_f_b.weight",
        "ssm_g_a.weight",
        "ssm_g_b.weight",
        "ssm_beta.weight",
        "attn_kv_a_mqa.weight",
        "attn_k_b.weight",
        "attn_v_b.weight",
    )
}
EIGHT_BIT_PARTS_BY_ARCHITECTURE: Final = {"glm5-next": ("attn_q_a", "attn_q_b", "nextn.eh_proj")}
# Architectures in which MXFP4_MOE leaves stacked matrices that are not experts at q8_0.
EXPERT_STACKS_ONLY: Final = frozenset({"bailingmoe3"})
# Depths at which the quantiser takes a model for one of 70B and gives value projections 5 bits; for llama only
# when query and key heads differ in number.
LARGE_BLOCK_COUNTS: Final = {"llama": 80, "llama-embed": 80, "qwen2": 80, "deci": 80, "olmo": 80, "jais2": 68}

PLAIN_TYPES: Final = {"F32": "f32", "F16": "f16", "BF16": "bf16"}
_DEFAULT_TYPES: Final = {
    "Q2_K_S": "q2_k",
    **dict.fromkeys(("Q3_K_S", "Q3_K_M", "Q3_K_L"), "q3_k"),
    **dict.fromkeys(("Q4_K_S", "Q4_K_M"), "q4_k"),
    **dict.fromkeys(("Q5_K_S", "Q5_K_M"), "q5_k"),
    **dict.fromkeys(("IQ3_XS", "IQ3_M"), "iq3_s"),
    "IQ2_S": "iq2_xs",
    "IQ2_M": "iq2_s",
    "MXFP4_MOE": "mxfp4",
}
_SAME_NAME: Final = [
    "Q4_0",
    "Q4_1",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q2_K",
    "Q6_K",
    "TQ1_0",
    "TQ2_0",
    "Q1_0",
    "Q2_0",
    "IQ1_S",
    "IQ1_M",
    "IQ2_XXS",
    "IQ2_XS",
    "IQ3_XXS",
    "IQ3_S",
    "IQ4_NL",
    "IQ4_XS",
]
DEFAULT_TYPES: Final = PLAIN_TYPES | _DEFAULT_TYPES | {name: name.lower() for name in _SAME_NAME}

LOW_BIT_FILE_TYPES: Final = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"})

# Conditions of a line on the model ...
GROUPED = "four or more query heads share a key head"
FOUR_EXPERTS = "four or more experts"
EIGHT_EXPERTS = "exactly eight experts"
FALCON = "the architecture is falcon"
WITH_MATRIX = "an importance matrix is given"
WITHOUT_MATRIX = "no importance matrix is given"
# ... and on the place of a tensor among the `count` of its category.
FIRST_TWO = "index < 2"
FIRST_FOUR = "index < 4"
FIRST_EIGHTH = "index < count / 8"
FIRST_SIXTEENTH = "index < count / 16"
MIDDLE = "count / 8 <= index < 7 count / 8"
OFTEN = "first or last eighth, or every third between"
PLACES: Final = frozenset({FIRST_TWO, FIRST_FOUR, FIRST_EIGHTH, FIRST_SIXTEENTH, MIDDLE, OFTEN})


def holds(place: str, index: int, count: int) -> bool:
    """Whether the ``index``-th of ``count`` tensors is in ``place`` (whole-number division throughout)."""
    match place:
        case "index < 2":
            return index < 2
        case "index < 4":
            return index < 4
        case "index < count / 8":
            return index < count // 8
        case "index < count / 16":
            return index < count // 16
        case "count / 8 <= index < 7 count / 8":
            return count // 8 <= index < 7 * count // 8
    # In the quantiser's language the remainder of a negative number is negative; the first test excludes those.
    return index < count // 8 or index >= 7 * count // 8 or (index - count // 8) % 3 == 2


@dataclass(frozen=True, slots=True)
class Line:
    """``file_types`` (all when empty) take ``type`` when every condition holds; "" stands for the default type."""

    file_types: tuple[str, ...]
    conditions: tuple[str, ...]
    type: str


def _line(file_types: str, type_name: str, *conditions: str) -> Line:
    return Line(tuple(file_types.split()), conditions, type_name)


LINES: Final = {
    VALUE: (
        _line("", "q8_0", EIGHT_EXPERTS),
        _line("Q2_K Q2_K_S", "q4_k", GROUPED),
        _line("Q2_K", "q3_k"),
        _line("IQ3_XXS IQ3_XS IQ3_S", "q4_k", GROUPED),
        _line("IQ3_XXS", "iq3_s", WITHOUT_MATRIX),
        _line("IQ3_M", "q4_k"),
        _line("Q3_K_M", "q5_k", FIRST_TWO),
        _line("Q3_K_M", "q4_k"),
        _line("Q3_K_L", "q5_k"),
        _line("IQ4_NL IQ4_XS", "q5_k", GROUPED),
        _line("Q4_K_M Q5_K_M", "q6_k", OFTEN),
        _line("Q4_K_S", "q5_k", FIRST_FOUR),
    ),
    KEY: (
        _line("", "q8_0", EIGHT_EXPERTS),
        _line("IQ3_XS", "iq3_xxs"),
        _line("IQ3_XXS", "iq2_s"),
    ),
    QUERY: (
        _line("IQ3_XS", "iq3_xxs"),
        _line("IQ3_XXS", "iq2_s"),
    ),
    DOWN: (
        _line("Q2_K", "q3_k"),
        _line("Q2_K_S", "q4_k", FIRST_EIGHTH),
        _line("IQ3_XXS", "q4_k", WITHOUT_MATRIX, FIRST_EIGHTH),
        _line("IQ3_XXS", "q3_k", WITHOUT_MATRIX),
        _line("Q3_K_M", "q5_k", FIRST_SIXTEENTH),
        _line("Q3_K_M", "q4_k", FALCON, OFTEN),
        _line("Q3_K_M", "q3_k", FALCON),
        _line("Q3_K_M", "q4_k"),
        _line("IQ3_M", "q4_k", FIRST_EIGHTH),
        _line("IQ3_M", "q4_k", EIGHT_EXPERTS, OFTEN),
        _line("Q3_K_L", "q4_k", FALCON),
        _line("Q3_K_L", "q5_k"),
        _line("Q4_K_M", "q6_k", FALCON, FIRST_SIXTEENTH),
        _line("Q4_K_M", "q5_k", FALCON, OFTEN),
        _line("Q4_K_M", "", FALCON),
        _line("Q4_K_M Q5_K_M", "q6_k", OFTEN),
        _line("IQ4_NL IQ4_XS", "q5_k", WITHOUT_MATRIX, FIRST_EIGHTH),
        _line("Q4_K_S", "", FALCON),
        _line("Q4_K_S", "q5_k", FIRST_EIGHTH),
        _line("Q4_0", "q4_1", WITH_MATRIX, FIRST_EIGHTH),
        _line("Q5_0", "q5_1", WITH_MATRIX, FIRST_EIGHTH),
    ),
    ATTENTION_OUTPUT: (
        _line("Q3_K_L", "q4_k", FALCON),
        _line("", "", FALCON),
        _line("Q2_K IQ3_XS IQ3_XXS Q3_K_S Q3_K_M IQ4_NL Q4_K_S Q4_K_M IQ3_S IQ3_M IQ4_XS", "q5_k", EIGHT_EXPERTS),
        _line("", "", EIGHT_EXPERTS),
        _line("Q2_K", "q3_k"),
        _line("IQ3_XXS", "iq3_s"),
        _line("Q3_K_M IQ3_M", "q4_k"),
        _line("Q3_K_L", "q5_k"),
    ),
    GATE: (_line("IQ3_XS", "iq3_xxs", MIDDLE),),
    UP: (_line("IQ3_XS", "iq3_xxs", MIDDLE),),
}
LOW_BIT_LINES: Final = {
    VALUE: (
        _line("", "q4_k", GROUPED),
        _line("", "q4_k", FOUR_EXPERTS),
        _line("IQ2_S IQ2_M", "iq3_s"),
        _line("", "q2_k"),
    ),
    KEY: (_line("", "q4_k", EIGHT_EXPERTS),),
    DOWN: (
        _line("IQ2_S IQ2_M", "iq3_s", FIRST_EIGHTH),
        _line("", "q2_k", FIRST_EIGHTH),
    ),
    ATTENTION_OUTPUT: (
        _line("", "q5_k", EIGHT_EXPERTS),
        _line("IQ1_S IQ1_M", "iq2_xxs"),
        _line("IQ2_S IQ2_M", "iq3_s"),
    ),
}
# The token embedding of a file that has an output head of its own.
EMBEDDING_LINES: Final = (
    _line("IQ2_XXS IQ2_XS IQ1_S IQ1_M", "q2_k"),
    _line("IQ2_S IQ2_M IQ3_XXS", "iq3_s"),
    _line("TQ1_0 TQ2_0 Q2_0", "q4_k"),
)
# The output head, or the embedding that serves as one.
HEAD_LINES: Final = (
    _line("MXFP4_MOE", "q8_0"),
    _line("", "q8_0", FALCON),
    _line("IQ2_XXS IQ2_XS IQ3_XXS IQ1_S IQ2_S IQ2_M IQ1_M", "q5_k"),
    _line("Q8_0", "q8_0"),
    _line("", "q6_k"),
)
# What a row that is not a whole number of blocks takes instead; f16 when that does not divide it either.
FALLBACK_TYPES: Final = {
    **dict.fromkeys(("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_xs"), "iq4_nl"),
    **dict.fromkeys(("q2_0", "q2_k", "q3_k", "tq1_0", "tq2_0"), "q4_0"),
    "q4_k": "q5_0",
    "q5_k": "q5_1",
    "q6_k": "q8_0",
}


@lru_cache(maxsize=4096)
def category_of(name: str) -> str:
    """The category whose lines decide for the tensor called ``name``."""
    exact = _EXACT_NAMES.get(name)
    if exact:
        return exact
    return next((category for part, category in _NAME_PARTS if part in name), OTHER)


@lru_cache(maxsize=4096)
def is_weight_to_quantise(name: str, architecture: str) -> bool:
    """Whether the quantiser touches a matrix of this name: weights, less the small and sensitive ones."""
    if not name.endswith("weight") or name in _KEPT_NAMES:
        return False
    kept = _KEPT_PARTS + KEPT_PARTS_BY_ARCHITECTURE.get(architecture, ())
    return not any(part in name for part in kept)


def is_matrix(shape: tuple[int, ...]) -> bool:
    """Whether a shape has two dimensions or more, trailing ones not counted."""
    return any(dimension != 1 for dimension in shape[1:])
