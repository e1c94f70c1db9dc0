"""What llama-server's process takes beside weights, cache and buffers, against what real ones took.

Each row is one load of llama-server b11434 on 2026-11-21 (x86-64, glibc 2.36): a small llama or BERT with the tokenizer
of llama.cpp's own vocabulary files, private memory with program and libraries after requests up to the whole context,
less weights, cache, buffers and what ggml's scheduler sets aside untouched.
"""

import pytest

from stackplan.architecture import Architecture, Attention, Layer, WeightTable
from stackplan.estimate.compute import graph_of
from stackplan.estimate.process_memory import batch_rows_bytes, process_lines, tokenizer_bytes, work_bytes
from stackplan.serving import Serving
from stackplan.units import MIB

# name, tokens of the vocabulary, bytes of the header, blocks, slots, context, bytes that the process took
LLAMAS = [
    ("bytes only", 259, 7776, 2, 1, 4096, 24678644),
    ("llama SentencePiece", 32000, 725056, 2, 1, 4096, 29710080),
    ("baichuan", 64000, 1342144, 2, 1, 4096, 35021568),
    ("deepseek-coder", 32256, 1157120, 2, 1, 4096, 33448704),
    ("gpt-2", 50257, 1768128, 2, 1, 4096, 40630204),
    ("starcoder", 49152, 1720544, 2, 1, 4096, 40700672),
    ("falcon", 65024, 2288928, 2, 1, 4096, 44626688),
    ("deepseek-llm", 102400, 3971328, 2, 1, 4096, 53656320),
    ("aquila", 100008, 4826912, 2, 1, 4096, 56885344),
    ("qwen2", 151936, 5929920, 2, 1, 4096, 68666624),
    ("llama 3", 128256, 7819296, 2, 1, 4096, 79554304),
    ("command-r", 256000, 10875648, 2, 1, 4096, 101284608),
    ("gemma 4", 262144, 15776640, 2, 1, 4096, 124766976),
    ("16 blocks", 32000, 732512, 16, 1, 4096, 30732000),
    ("64 blocks", 32000, 758336, 64, 1, 4096, 39963872),
    ("100 blocks", 32000, 777728, 100, 1, 4096, 46399328),
    ("4 slots", 32000, 726112, 4, 4, 8192, 32712448),
    ("16 slots", 32000, 726112, 4, 16, 32768, 34105088),
    ("long context", 32000, 726112, 4, 1, 65536, 33321728),
]
LAYER = Layer(Attention.FULL, heads=2, kv_heads=2, head_length_k=32, head_length_v=32, feed_forward_length=128)


def architecture(tokens: int, blocks: int = 2, name: str = "llama") -> Architecture:
    return Architecture(name, blocks, 64, tokens, (LAYER,) * blocks, 131072, causal=name == "llama")


def weights(header_bytes: int, largest: int = 0) -> WeightTable:
    return WeightTable(10 * MIB + header_bytes, 10 * MIB, (), (), 0, 0, largest_layer_tensor_bytes=largest)


@pytest.mark.parametrize(
    ("tokens", "header", "blocks", "slots", "context", "took"),
    [row[1:] for row in LLAMAS],
    ids=[row[0] for row in LLAMAS],
)
def test_a_process_takes_what_is_planned(
    tokens: int, header: int, blocks: int, slots: int, context: int, took: int
) -> None:
    shape = architecture(tokens, blocks)
    lines = process_lines(shape, weights(header), graph_of(shape), Serving(context, slots), on_cpu=False)
    planned = sum(line.bytes for line in lines)
    assert 0.93 * took <= planned
    assert planned <= max(1.2 * took, took + 4 * MIB)  # ranks of merges take less the more of them there are


def test_unigram_vocabularies_are_kept_as_a_tree() -> None:
    """nomic-embed-text-v2-moe, 250048 tokens: 147.0 MiB after loading, 21.7 MiB of a model without tokens in it."""
    planned = tokenizer_bytes(architecture(250048, name="nomic-bert-moe"), weights(6_823_424))
    assert planned == pytest.approx(130 * MIB, rel=0.05)


def test_what_a_file_has_beyond_its_vocabulary_is_no_tokenizer() -> None:
    assert tokenizer_bytes(architecture(13), weights(2 * MIB)) < 1 * MIB
    assert tokenizer_bytes(architecture(13), weights(-5)) == 0


def test_a_full_batch_of_an_encoder_has_a_row_of_logits_for_every_token() -> None:
    """BERT of 30522 tokens and width 1024: 1366 tokens at once took 176 MiB more (2048), 5461 took 704 MiB (8192)."""
    bert = Architecture("bert", 4, 1024, 30522, (LAYER,) * 4, 8192, causal=False)
    for tokens, took in ((1366, 176 * MIB), (5461, 704 * MIB)):
        serving = Serving(tokens, micro_batch_tokens=tokens, batch_tokens=tokens, output_rows="batch")
        planned = batch_rows_bytes(bert, serving) + work_bytes(bert, (LAYER,), serving)
        assert planned == pytest.approx(took, rel=0.1)


def test_servers_of_text_have_no_such_rows() -> None:
    shape = architecture(1000)
    lines = process_lines(shape, weights(0), graph_of(shape), Serving(4096), on_cpu=True)
    assert [line.name for line in lines] == ["server process", "tokenizer", "matrix work area"]


def test_the_work_area_holds_the_widest_input_of_a_micro_batch_in_half_floats() -> None:
    assert work_bytes(architecture(259), (LAYER,), Serving(4096)) == 2 * 512 * 128
