"""Whether a draft speaks the vocabulary of the model that it drafts for.

llama.cpp refuses a draft (common/speculative.cpp, b11434) unless both vocabularies are of one kind, begin and end texts
with the same tokens, differ in size by at most 128 and have the same text behind every token from 5 on. Neither a
catalog nor a header as it is read here holds those texts: a tokenizer's name stands for them.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

MOST_DIFFERENCE = 128  # SPEC_VOCAB_MAX_SIZE_DIFFERENCE


class Vocabulary(Struct, frozen=True):
    """``name`` is one for all tokenizers that agree token by token, ``size`` counts tokens (0: unknown).

    ``marks`` are the tokens that begin and end a text and whether they are added; () when nobody told. ``origin`` says
    who gave the name ("catalog", "header"): names of different origins cannot be compared.
    """

    name: str
    size: int
    marks: tuple[object, ...] = ()
    origin: str = "catalog"


def vocabulary_obstacle(target: Vocabulary, draft: Vocabulary) -> str:
    """Why ``draft`` cannot draft for ``target``; "" when nothing known speaks against it."""
    if target.origin == draft.origin and target.name != draft.name:
        return f"its tokenizer is {draft.name or 'unknown'}, the model's is {target.name or 'unknown'}"
    if target.marks and draft.marks and target.marks != draft.marks:
        return "texts begin or end with other tokens"
    if target.size and draft.size and abs(target.size - draft.size) > MOST_DIFFERENCE:
        return f"its vocabulary has {draft.size} tokens, the model's {target.size}; {MOST_DIFFERENCE} may differ"
    return ""


def header_vocabulary(metadata: Mapping[str, Any], size: int) -> Vocabulary:
    """The vocabulary of a GGUF by its header; ``size`` is the number of rows of its embedding."""

    def told(key: str) -> Any:
        return metadata.get(f"tokenizer.ggml.{key}")

    begins, ends = bool(told("add_bos_token")), bool(told("add_eos_token"))
    marks = (begins, told("bos_token_id") if begins else None, ends, told("eos_token_id") if ends else None)
    name = " ".join(str(told(key)) for key in ("model", "pre") if isinstance(told(key), str))
    return Vocabulary(name, size, marks, "header")
