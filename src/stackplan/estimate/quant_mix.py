"""Which type the quantiser gives each tensor of an F16 file, and so what a quantised file weighs.

A file called Q4_K_M is a mixture: embeddings, the value projection and some feed-forward tensors get more bits, and
rows that are not a whole number of blocks fall back to another type. ``quant_rules`` holds the recipe; this module
applies it. Categories are found once (`candidates`), so that twenty file types of one model cost little.

Published files may follow an older recipe: where a file's own tensor table is at hand, believe that instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackplan.architecture import Tensor
from stackplan.errors import UserError
from stackplan.estimate import quant_rules as rules
from stackplan.gguf.types import TYPE_BY_NAME


@dataclass(frozen=True, slots=True)
class MixtureFacts:
    """What the recipe reads of a model besides its tensors.

    ``heads`` and ``kv_heads`` are those of the first block; ``kv_heads`` is 0 when that block has no attention.
    """

    architecture: str
    block_count: int
    experts: int = 0
    heads: int = 0
    kv_heads: int = 0

    @property
    def heads_per_key(self) -> int:
        """Query heads that share a key head, 0 without attention in the first block."""
        return self.heads // self.kv_heads if self.kv_heads else 0

    @property
    def is_large(self) -> bool:
        """Whether the quantiser takes the model for one of 70B."""
        if rules.LARGE_BLOCK_COUNTS.get(self.architecture) != self.block_count:
            return False
        return not self.architecture.startswith("llama") or self.heads != self.kv_heads


def mixture_facts(hyperparameters: Mapping[str, Any]) -> MixtureFacts:
    """The facts of a hyperparameter record (GGUF keys without the architecture's prefix)."""
    heads = _first(hyperparameters.get("attention.head_count", 0))
    return MixtureFacts(
        architecture=str(hyperparameters.get("architecture", "")),
        block_count=int(hyperparameters.get("block_count", 0)),
        experts=int(hyperparameters.get("expert_count", 0)),
        heads=heads,
        kv_heads=_first(hyperparameters.get("attention.head_count_kv", heads)),
    )


def _first(value: Any) -> int:
    if isinstance(value, list | tuple):
        return int(value[0]) if value else 0
    return int(value)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tensor that the quantiser touches: ``tensor_index`` in the list given, ``position`` within its category."""

    tensor_index: int
    category: str
    position: int
    block: int
    row: int
    stacked: bool
    eight_bit: bool


@dataclass(frozen=True, slots=True)
class Candidates:
    """The tensors of one model that the quantiser touches, in its order."""

    entries: tuple[Candidate, ...]
    value_count: int
    tied: bool


def candidates(tensors: Sequence[Tensor], architecture: str) -> Candidates:
    """Categories and places of the tensors, independent of the file type."""
    eight_bit = rules.EIGHT_BIT_PARTS_BY_ARCHITECTURE.get(architecture, ())
    places = [_block_and_kind(tensor.name) for tensor in tensors]
    order = sorted(range(len(tensors)), key=lambda index: (places[index][0], tensors[index].name))
    counts: dict[str, int] = {}
    entries: list[Candidate] = []
    for index in order:
        shape, (block, kind) = tensors[index].shape, places[index]
        if not rules.is_matrix(shape) or not rules.is_weight_to_quantise(kind, architecture):
            continue
        category = rules.category_of(kind)
        position = counts.get(category, 0)
        counts[category] = position + 1
        stacked = len(shape) > 2 and shape[2] > 1
        high = any(part in kind for part in eight_bit)
        entries.append(Candidate(index, category, position, block, shape[0], stacked, high))
    categories = [rules.category_of(kind) for _, kind in places]
    return Candidates(tuple(entries), categories.count(rules.VALUE), rules.OUTPUT not in categories)


def _block_and_kind(name: str) -> tuple[int, str]:
    """A tensor's block, -1 outside blocks, and its name without the number: what all blocks have in common."""
    head, _, rest = name.partition(".")
    number, _, kind = rest.partition(".")
    if head == "blk" and number.isdecimal() and len(number) < 7:
        return int(number), f"blk.{kind}"
    return -1, name


def quantised(
    tensors: Sequence[Tensor], file_type: str, *, facts: MixtureFacts, importance_matrix: bool = False
) -> tuple[Tensor, ...]:
    """The tensors as ``llama-quantize`` would write them for ``file_type`` ("Q4_K_M"), in the order given.

    Raises UserError for a file type without a recipe, or one that cannot hold a row of this model.
    """
    found = candidates(tensors, facts.architecture)
    types = quantised_types(found, file_type, facts=facts, importance_matrix=importance_matrix)
    replaced = {entry.tensor_index: type_name for entry, type_name in zip(found.entries, types, strict=True)}
    return tuple(
        Tensor(tensor.name, tensor.shape, replaced.get(index, tensor.type)) for index, tensor in enumerate(tensors)
    )


def quantised_types(
    found: Candidates, file_type: str, *, facts: MixtureFacts, importance_matrix: bool = False
) -> tuple[str, ...]:
    """The type of each of ``found.entries``; what `quantised` writes, for callers that only want sizes.

    Raises UserError like `quantised`.
    """
    recipe = _Recipe.of(file_type, facts, importance_matrix)
    if file_type in rules.PLAIN_TYPES:
        return (recipe.default,) * len(found.entries)
    fitted: dict[tuple[str, int], str] = {}
    types = []
    for entry in found.entries:
        key = (recipe.choose(entry, found), entry.row)
        if key not in fitted:
            fitted[key] = _fit(*key)
        types.append(fitted[key])
    return tuple(types)


def needs_importance_matrix(found: Candidates, file_type: str, *, facts: MixtureFacts) -> bool:
    """Whether the quantiser refuses ``file_type`` without an importance matrix."""
    types = quantised_types(found, file_type, facts=facts)
    needing = {"iq3_xxs", "iq2_xxs", "iq2_xs", "iq2_s", "iq1_m", "iq1_s"} | (
        {"q2_k"} if file_type == "Q2_K_S" else set()
    )
    heads = (rules.OUTPUT, rules.EMBEDDING)
    pairs = zip(found.entries, types, strict=True)
    return any(type_name in needing and entry.category not in heads for entry, type_name in pairs)


def _fit(type_name: str, row: int) -> str:
    """``type_name``, or what the quantiser takes when a row of ``row`` values is not a whole number of its blocks."""
    if row % TYPE_BY_NAME[type_name].block_elements == 0:
        return type_name
    instead = rules.FALLBACK_TYPES.get(type_name, type_name)
    if instead == type_name and TYPE_BY_NAME[type_name].block_elements > 32:
        raise UserError(
            f"{type_name} cannot hold rows of {row} values, and llama-quantize has no fallback for it",
            hint="choose another quantisation, for example Q4_K_M",
            slug="quantisation-impossible",
        )
    return instead if row % TYPE_BY_NAME[instead].block_elements == 0 else "f16"


@dataclass(frozen=True, slots=True)
class _Recipe:
    """The lines that are left once file type, model and importance matrix are known."""

    file_type: str
    default: str
    facts: MixtureFacts
    lines: dict[str, tuple[tuple[tuple[str, ...], str], ...]]

    @classmethod
    def of(cls, file_type: str, facts: MixtureFacts, importance_matrix: bool) -> "_Recipe":
        default = rules.DEFAULT_TYPES.get(file_type)
        if default is None:
            raise UserError(
                f"there is no recipe for quantisation {file_type!r}",
                hint=f"choose one of {', '.join(sorted(rules.DEFAULT_TYPES))}, or give the file itself",
                slug="unknown-quantisation",
            )
        true = _true_conditions(facts, importance_matrix)
        table = rules.LOW_BIT_LINES if file_type in rules.LOW_BIT_FILE_TYPES else rules.LINES
        table = {**table, rules.EMBEDDING: rules.EMBEDDING_LINES, rules.OUTPUT: rules.HEAD_LINES}
        lines = {category: _remaining(entries, file_type, default, true) for category, entries in table.items()}
        if facts.is_large and file_type not in rules.LOW_BIT_FILE_TYPES:
            raised = tuple((places, _raised(type_name)) for places, type_name in lines[rules.VALUE])
            lines[rules.VALUE] = (*raised, ((), _raised(default)))
        return cls(file_type, default, facts, lines)

    def choose(self, entry: Candidate, found: Candidates) -> str:
        """The type of one tensor before rows are fitted to blocks."""
        category = entry.category
        if entry.eight_bit:
            return "q8_0"
        if category == rules.EMBEDDING and found.tied:
            category = rules.OUTPUT
        if category == rules.OUTPUT:
            whole = entry.row % TYPE_BY_NAME[self.default].block_elements == 0
            return self._first_line(rules.OUTPUT, 0, 0) if whole else "q8_0"
        if self.file_type == "MXFP4_MOE":
            return self._stack_type(entry)
        if category == rules.VALUE:
            return self._first_line(category, entry.position, found.value_count)
        return self._first_line(category, self._index(entry), self.facts.block_count)

    def _stack_type(self, entry: Candidate) -> str:
        """MXFP4_MOE: stacks of experts in four bits, all else in eight."""
        in_feed_forward = entry.category in (rules.UP, rules.GATE, rules.DOWN)
        is_expert = entry.stacked and (in_feed_forward or self.facts.architecture not in rules.EXPERT_STACKS_ONLY)
        return "mxfp4" if is_expert else "q8_0"

    def _index(self, entry: Candidate) -> int:
        """Models with experts are indexed by block, since their tensors are not one a block."""
        by_block = self.facts.experts > 1 and self.file_type not in rules.LOW_BIT_FILE_TYPES
        return entry.block if by_block else entry.position

    def _first_line(self, category: str, index: int, count: int) -> str:
        for places, type_name in self.lines.get(category, ()):
            if all(rules.holds(place, index, count) for place in places):
                return type_name
        return self.default


def _true_conditions(facts: MixtureFacts, importance_matrix: bool) -> frozenset[str]:
    """Which of the conditions on the model hold."""
    judged = {
        rules.GROUPED: facts.heads_per_key >= 4,
        rules.FOUR_EXPERTS: facts.experts >= 4,
        rules.EIGHT_EXPERTS: facts.experts == 8,
        rules.FALCON: facts.architecture == "falcon",
        rules.WITH_MATRIX: importance_matrix,
        rules.WITHOUT_MATRIX: not importance_matrix,
    }
    return frozenset(condition for condition, is_true in judged.items() if is_true)


def _remaining(
    lines: Sequence[rules.Line], file_type: str, default: str, true: frozenset[str]
) -> tuple[tuple[tuple[str, ...], str], ...]:
    """The lines for this file type whose model conditions hold, with only their places left to judge."""
    kept = []
    for line in lines:
        places = tuple(condition for condition in line.conditions if condition in rules.PLACES)
        model = [condition for condition in line.conditions if condition not in rules.PLACES]
        if (not line.file_types or file_type in line.file_types) and all(condition in true for condition in model):
            kept.append((places, line.type or default))
    return tuple(kept)


def _raised(type_name: str) -> str:
    """Value projections of 70B models: five bits where three or four were chosen."""
    return "q5_k" if type_name in ("q3_k", "q4_k") else type_name
