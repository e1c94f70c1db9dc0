"""How long a GGUF file's header is: the tensor table, which is exact, and the tokenizer, which is estimated.

The header is under 1 % of a file of a billion parameters, nearly all of it the vocabulary and its merges. Published
files give that part for common vocabularies; for others it is derived from the number of tokens.
"""

from collections.abc import Sequence
from typing import Final

from stackplan.architecture import Tensor
from stackplan.estimate.inventory.dimensions import Record

# Vocabulary and merges, chat template and keys, by rows of the vocabulary: header of a published file less its tensor
# table. Sources: sizes in Hugging Face listings (read November 2026) less the tensor bytes that the quantiser
# writes: Llama-3.1-8B (eleven files agree to the byte), Qwen3-8B, Qwen2.5-7B, gemma-2-9b, gemma-3-4b, phi-4.
_KNOWN_VOCABULARIES: Final = {
    128256: 7_823_593,
    151936: 5_933_000,
    152064: 5_933_000,
    256000: 6_029_000,
    262144: 6_500_000,
    262208: 6_500_000,
    100352: 3_550_000,
}
# Bytes per token: 8 for its length, 4 for its kind, the text itself; and either 4 for a score (SentencePiece,
# WordPiece) or, for byte-pair encoding, about one merge with both its parts.
_BYTES_PER_TOKEN: Final = {"llama": 23, "bert": 22, "t5": 23, "gpt2": 39}
_SMALL_VOCABULARY: Final = 49_000  # below it SentencePiece or WordPiece, above it byte pairs, when nobody says
_KEYS_BYTES: Final = 6_000  # other keys and a chat template of usual length


def header_bytes_estimate(hyperparameters: Record, tensors: Sequence[Tensor]) -> int:
    """Bytes before the first tensor of a GGUF file with this tensor table; within some 20 %.

    ``hyperparameters`` may name the tokenizer's kind under "tokenizer.ggml.model" ("gpt2", "llama", "bert").
    """
    table = sum(24 + len(tensor.name) + 8 * len(tensor.shape) for tensor in tensors)
    total = table + _tokenizer_bytes(hyperparameters)
    return -(-total // 32) * 32


def _tokenizer_bytes(hyperparameters: Record) -> int:
    rows = int(hyperparameters.get("vocab_size", 0))
    known = _KNOWN_VOCABULARIES.get(rows)
    if known is not None:
        return known
    kind = hyperparameters.get("tokenizer.ggml.model") or ("llama" if rows < _SMALL_VOCABULARY else "gpt2")
    return _KEYS_BYTES + rows * _BYTES_PER_TOKEN.get(str(kind), _BYTES_PER_TOKEN["gpt2"])
