"""Whatever the bytes, reading ends in a header or in `UserError`."""

import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stackplan.errors import UserError
from stackplan.gguf.architecture import architecture_of
from stackplan.gguf.header import read_header
from stackplan.gguf.sources import OpenedModel
from stackplan.views.inspect import Inspection, inspection_json, inspection_text
from tests.gguf import files

VALID = files.tiny_model("gemma3", blocks=2, attention__sliding_window=512, tokens=["a", "b"], list=[1, 2, 3])
INTERESTING = (0, 1, 2, 7, 8, 9, 31, 32, 127, 128, 255)


def inspect(raw: bytes) -> None:
    """Everything that ``stackplan inspect`` does with a file, but printing."""
    try:
        header = read_header(io.BytesIO(raw))
    except UserError:
        return
    opened = OpenedModel("fuzz", ("fuzz",), header, len(raw))
    try:
        inspection = Inspection(opened, architecture_of(header.metadata, header.tensors))
    except UserError as error:
        inspection = Inspection(opened, error)
    text = inspection_text(inspection, metadata=True, tensors=True)
    assert all(line.isprintable() for line in text.split("\n"))
    inspection_json(inspection, metadata=True, tensors=True)


@settings(max_examples=600, deadline=2000)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(VALID) - 1), st.one_of(st.sampled_from(INTERESTING), st.integers(0, 255))),
        min_size=1,
        max_size=8,
    ),
    length=st.one_of(st.just(len(VALID)), st.integers(0, len(VALID))),
)
def test_a_mutated_header_gives_only_user_errors(changes: list[tuple[int, int]], length: int) -> None:
    raw = bytearray(VALID)
    for position, value in changes:
        raw[position] = value
    inspect(bytes(raw[:length]))


@settings(max_examples=300, deadline=2000)
@given(st.binary(max_size=512), st.integers(0, 3), st.integers(0, 3))
@example(b"", 0, 0)
def test_random_bytes_behind_a_preamble_give_only_user_errors(body: bytes, tensors: int, pairs: int) -> None:
    inspect(files.preamble(tensors, pairs) + body)


NAMES = st.sampled_from(["attn_k", "attn_qkv", "ssm_conv1d", "ffn_down_exps", "ffn_down", "attn_compressor_ape", "x"])
SCALARS = st.one_of(st.integers(-1, 2**32 - 1), st.booleans(), st.floats(width=32), st.text(max_size=5))
KEYS = st.sampled_from(
    """block_count embedding_length context_length attention.head_count attention.head_count_kv expert_count
    attention.sliding_window attention.sliding_window_pattern attention.key_length nextn_predict_layers num_loops
    ssm.conv_kernel ssm.state_size wkv.head_size kda.head_dim shortconv.l_cache attention.shared_kv_layers
    attention.recurrent_layers full_attention_interval attention.key_length_mla expert_used_count""".split()  # noqa: SIM905
)


@settings(max_examples=400, deadline=2000)
@given(
    name=st.sampled_from(["llama", "gemma3", "gemma3n", "llama4", "minimax-01", "lfm2", "never-seen", "deepseek4"]),
    values=st.dictionaries(KEYS, st.one_of(SCALARS, st.lists(st.integers(0, 9), max_size=6))),
    tensors=st.lists(
        st.tuples(
            st.integers(0, 3), NAMES, st.lists(st.integers(0, 300), max_size=4)
        ), max_size=6, unique_by=lambda row: row[:2],
    ),
)  # fmt: skip
def test_senseless_metadata_gives_only_user_errors(
    name: str, values: dict[str, object], tensors: list[tuple[int, str, list[int]]]
) -> None:
    plausible: dict[str, object] = {"block_count": 4, "embedding_length": 64, "context_length": 128}
    metadata = {"general.architecture": name}
    metadata |= {f"{name}.{key}": value for key, value in (plausible | values).items()}  # type: ignore[dict-item]
    table = [(f"blk.{block}.{part}.weight", shape) for block, part, shape in tensors]
    inspect(files.gguf(metadata, table, data=False))
