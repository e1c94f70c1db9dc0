"""Bytes of a model's weights in safetensors, by the quantisation that its repository names.

Quantisers for vLLM and its kin treat the matrices of blocks alike and leave embeddings, output head, norms and routers
in 16 bits. Bytes per weight include scales and zero points. Sources: the formats' own specifications (AWQ and GPTQ
with groups of 128, FP8 with blocks of 128 by 128, OCP MX, NVFP4, bitsandbytes), read November 2026.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from stackplan.architecture import Tensor, WeightTable
from stackplan.errors import UserError
from stackplan.estimate.weights import Place, Prepared, table_by_place


@dataclass(frozen=True, slots=True)
class Scheme:
    """Bytes per weight of a quantised matrix and of all else; ``experts_only`` leaves attention in 16 bits."""

    matrix_bytes: Fraction
    other_bytes: Fraction = Fraction(2)
    experts_only: bool = False


SCHEMES: Final = {
    "bf16": Scheme(Fraction(2)),
    "f16": Scheme(Fraction(2)),
    "f32": Scheme(Fraction(4), Fraction(4)),
    "fp8": Scheme(1 + Fraction(4, 128 * 128)),
    "int8": Scheme(Fraction(1)),
    "awq": Scheme(Fraction(1, 2) + Fraction(2, 128) + Fraction(1, 2 * 128)),
    "gptq": Scheme(Fraction(1, 2) + Fraction(2, 128) + Fraction(1, 2 * 128)),
    "nvfp4": Scheme(Fraction(1, 2) + Fraction(1, 16)),
    "mxfp4": Scheme(Fraction(1, 2) + Fraction(1, 32), experts_only=True),
    "bnb-nf4": Scheme(Fraction(1, 2) + Fraction(4, 64)),
}
_ROW_BYTES: Final = 120  # of the header, for each tensor: name, type, shape and offsets as JSON
_GGUF_ONLY: Final = ("rope_freqs", "rope_factors")


def safetensors_weights(model: Prepared, scheme_name: str) -> WeightTable:
    """Bytes by place of ``model`` in safetensors; exact in 16 and 32 bits, nominal in others.

    Raises UserError when ``scheme_name`` ("awq", "fp8" ...) is not known.
    """
    scheme = SCHEMES.get(scheme_name.lower())
    if scheme is None:
        raise UserError(
            f"there is no safetensors quantisation {scheme_name!r}",
            hint=f"choose one of {', '.join(sorted(SCHEMES))}",
            slug="unknown-quantisation",
        )
    has_experts = any(place.is_expert for place in model.places)
    pairs = list(zip(model.tensors, model.places, strict=True))
    sizes = [_bytes(tensor, place, scheme, has_experts) for tensor, place in pairs]
    embedding = next(
        size for tensor, size in zip(model.tensors, sizes, strict=True) if tensor.name == "token_embd.weight"
    )
    return table_by_place(
        model.places,
        sizes,
        block_count=model.architecture.block_count,
        file_bytes=sum(sizes) + _ROW_BYTES * len(sizes),
        tied_output_bytes=embedding if model.architecture.tied_embeddings else 0,
    )


def _bytes(tensor: Tensor, place: Place, scheme: Scheme, has_experts: bool) -> int:
    if tensor.name.startswith(_GGUF_ONLY):
        return 0
    in_block = tensor.name.startswith("blk.") and tensor.type == "f16"
    spared = scheme.experts_only and has_experts and not place.is_expert
    each = scheme.matrix_bytes if in_block and not spared else scheme.other_bytes
    return -(-tensor.elements * each.numerator // each.denominator)
