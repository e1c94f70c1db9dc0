"""Bytes of a model's weights by where engines put them, for any file type, without the file.

`size_up` is the short way from hyperparameters to an `Architecture` and a `WeightTable`. Who sizes one model many
times calls `prepare` once and then `Prepared.weights` per file type: shapes, categories and places are found once.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from stackplan.architecture import Architecture, Tensor, WeightTable
from stackplan.errors import UserError
from stackplan.estimate.header_bytes import header_bytes_estimate
from stackplan.estimate.inventory import Unsupported, tensors_of
from stackplan.estimate.inventory.dimensions import Record
from stackplan.estimate.quant_mix import Candidates, MixtureFacts, candidates, mixture_facts, quantised_types
from stackplan.gguf.architecture import architecture_of
from stackplan.gguf.types import padded, tensor_bytes

_BLOCK: Final = re.compile(r"(?:enc\.|dec\.)?blk\.(\d{1,6})\.")
# What `--cpu-moe` of llama.cpp b11434 calls experts; shared experts and routers are not among them.
_EXPERT: Final = re.compile(r"\.ffn_(up|down|gate|gate_up)_(ch|)exps")
# llama.cpp b11434 keeps these in host memory whatever is offloaded ...
_INPUT_NAMES: Final = frozenset(
    {"token_embd.weight", "position_embd.weight", "token_types.weight", "per_layer_token_embd.weight"}
)
# ... and counts these, though outside any block, to the first one.
_FIRST_BLOCK_PREFIXES: Final = ("rope_", "token_embd_norm", "per_layer_model_proj", "per_layer_proj_norm")

CONVERTED_FILE_TYPES: Final = frozenset({"F16", "BF16"})

INPUT: Final = -1
OUTPUT: Final = -2
PREDICTION: Final = -3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor goes: a block's number, or one of ``INPUT``, ``OUTPUT``, ``PREDICTION``."""

    block: int
    is_expert: bool = False


def places_of(names: Sequence[str], *, block_count: int, prediction_blocks: int = 0) -> tuple[Place, ...]:
    """The place of each tensor by its name, as llama.cpp b11434 assigns layers to devices."""
    known = frozenset(names)
    # LFM2 calls its output norm by the name that encoders use for the norm of embeddings.
    final_norm_is_embedding_norm = "output_norm.weight" not in known and "token_embd_norm.bias" not in known
    trunk = block_count - prediction_blocks
    return tuple(_place(name, trunk, final_norm_is_embedding_norm) for name in names)


def _place(name: str, trunk: int, final_norm_is_embedding_norm: bool) -> Place:
    match = _BLOCK.match(name)
    if match:
        block = int(match[1])
        return Place(PREDICTION) if block >= trunk else Place(block, bool(_EXPERT.search(name)))
    if name in _INPUT_NAMES:
        return Place(INPUT)
    if name.startswith("token_embd_norm") and final_norm_is_embedding_norm:
        return Place(OUTPUT)
    return Place(0 if name.startswith(_FIRST_BLOCK_PREFIXES) else OUTPUT)


def weight_table(
    tensors: Sequence[Tensor],
    *,
    header_bytes: int,
    block_count: int,
    tied_embeddings: bool,
    prediction_blocks: int = 0,
) -> WeightTable:
    """Bytes by place of the tensors of one GGUF file.

    ``layer_bytes`` and ``expert_bytes`` have one entry per block; the entries of the last ``prediction_blocks`` are 0
    and their bytes are in ``prediction_bytes``. Sizes are exact; ``file_bytes`` pads every tensor to 32 bytes and adds
    ``header_bytes``. Raises UserError when a tensor's type has no known size.
    """
    places = places_of(
        [tensor.name for tensor in tensors], block_count=block_count, prediction_blocks=prediction_blocks
    )
    sizes = [_known_bytes(tensor) for tensor in tensors]
    file_bytes = header_bytes + sum(padded(size) for size in sizes)
    tied = _tied_bytes(zip(tensors, sizes, strict=True)) if tied_embeddings else 0
    return table_by_place(places, sizes, block_count=block_count, file_bytes=file_bytes, tied_output_bytes=tied)


def _known_bytes(tensor: Tensor) -> int:
    size = tensor_bytes(tensor.shape, tensor.type)
    if size is None:
        raise UserError(
            f"tensor {tensor.name} has type {tensor.type}, whose size is not known",
            hint="update stackplan, or choose a file of another quantisation",
            slug="tensor-type-unknown",
        )
    return size


def _tied_bytes(sized: Iterable[tuple[Tensor, int]]) -> int:
    return next((size for tensor, size in sized if tensor.name == "token_embd.weight"), 0)


def table_by_place(
    places: Sequence[Place], sizes: Sequence[int], *, block_count: int, file_bytes: int, tied_output_bytes: int
) -> WeightTable:
    """Sums ``sizes`` by place; for callers that have sizes of another format than GGUF."""
    layers, experts = [0] * block_count, [0] * block_count
    elsewhere = {INPUT: 0, OUTPUT: 0, PREDICTION: 0}
    largest_layer = largest_expert = 0
    for place, size in zip(places, sizes, strict=True):
        if place.block < 0:
            elsewhere[place.block] += size
        elif place.is_expert:
            experts[place.block] += size
            largest_expert = max(largest_expert, size)
        else:
            layers[place.block] += size
            largest_layer = max(largest_layer, size)
    return WeightTable(
        file_bytes=file_bytes,
        tensor_bytes=sum(sizes),
        layer_bytes=tuple(layers),
        expert_bytes=tuple(experts),
        input_bytes=elsewhere[INPUT],
        output_bytes=elsewhere[OUTPUT],
        tied_output_bytes=tied_output_bytes,
        prediction_bytes=elsewhere[PREDICTION],
        largest_layer_tensor_bytes=largest_layer,
        largest_expert_tensor_bytes=largest_expert,
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """One model, ready to be sized for any file type. ``tensors`` are those of its F16 file."""

    architecture: Architecture
    tensors: tuple[Tensor, ...]
    places: tuple[Place, ...]
    found: Candidates
    facts: MixtureFacts
    header_bytes: int

    def weights(self, file_type: str, *, importance_matrix: bool = False) -> WeightTable:
        """Bytes by place as ``llama-quantize`` would write ``file_type`` ("Q4_K_M"), header estimated.

        Raises UserError for a file type without a recipe, or one that cannot hold a row of this model.
        """
        types = quantised_types(self.found, file_type, facts=self.facts, importance_matrix=importance_matrix)
        sizes = [_sized(tensor.shape, tensor.type) for tensor in self.tensors]
        for entry, type_name in zip(self.found.entries, types, strict=True):
            tensor = self.tensors[entry.tensor_index]
            # Files in 16 bits come from the converter, which keeps some matrices in 32 that the quantiser would not.
            if tensor.type == "f16" or file_type not in CONVERTED_FILE_TYPES:
                sizes[entry.tensor_index] = _sized(tensor.shape, type_name)
        tied = _tied_bytes(zip(self.tensors, sizes, strict=True)) if self.architecture.tied_embeddings else 0
        return table_by_place(
            self.places,
            sizes,
            block_count=self.architecture.block_count,
            file_bytes=self.header_bytes + sum(padded(size) for size in sizes),
            tied_output_bytes=tied,
        )


@lru_cache(maxsize=4096)
def _sized(shape: tuple[int, ...], type_name: str) -> int:
    """Bytes of a tensor of our own tables, in which every type is known and every row fits."""
    size = tensor_bytes(shape, type_name)
    if size is None:
        raise ValueError(f"no size for {shape} as {type_name}")
    return size


def prepare(hyperparameters: Record) -> Prepared | Unsupported:
    """Shapes, categories and places of one model.

    ``hyperparameters`` is a record as ``inventory.tensors_of`` takes. Raises UserError when it is incomplete.
    """
    tensors = tensors_of(hyperparameters)
    if isinstance(tensors, Unsupported):
        return tensors
    name = str(hyperparameters["architecture"])
    metadata = {f"{name}.{key}": value for key, value in hyperparameters.items() if key != "architecture"}
    architecture = architecture_of({"general.architecture": name, **metadata}, tensors)
    blocks = int(hyperparameters["block_count"])
    places = places_of(
        [tensor.name for tensor in tensors],
        block_count=blocks,
        prediction_blocks=int(hyperparameters.get("nextn_predict_layers", 0)),
    )
    return Prepared(
        architecture=architecture,
        tensors=tensors,
        places=places,
        found=candidates(tensors, name),
        facts=mixture_facts(hyperparameters),
        header_bytes=header_bytes_estimate(hyperparameters, tensors),
    )


def size_up(
    hyperparameters: Record, file_type: str, importance_matrix: bool = False
) -> tuple[Architecture, WeightTable] | Unsupported:
    """A model's shape and the bytes of its weights as a GGUF of ``file_type``; tensor bytes exact, header estimated.

    Raises UserError when the record is incomplete or the file type has no recipe.
    """
    prepared = prepare(hyperparameters)
    if isinstance(prepared, Unsupported):
        return prepared
    return prepared.architecture, prepared.weights(file_type, importance_matrix=importance_matrix)
