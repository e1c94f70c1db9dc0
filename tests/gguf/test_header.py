import io
import struct
import subprocess
import sys

import pytest

from stackplan.errors import UserError
from stackplan.gguf.cursor import WINDOW_BYTES
from stackplan.gguf.header import Skipped, merge_headers, read_header
from tests.calls import calls
from tests.gguf import files


def slug_of(raw: bytes) -> str:
    with pytest.raises(UserError) as caught:
        read_header(io.BytesIO(raw))
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.slug


def with_value(value: bytes) -> bytes:
    return files.preamble(0, 1) + files.text("a") + value


def test_metadata_and_tensors_are_read_in_order() -> None:
    raw = files.gguf(
        {"general.architecture": "llama", "a.flag": True, "a.negative": -3, "a.real": 0.5, "a.list": [1, 2, 3]},
        [("token_embd.weight", (64, 8)), ("output_norm.weight", (64,))],
    )
    header = read_header(io.BytesIO(raw))
    assert header.metadata == {
        "general.architecture": "llama", "a.flag": True, "a.negative": -3, "a.real": 0.5, "a.list": (1, 2, 3),
    }  # fmt: skip
    assert [(tensor.name, tensor.shape, tensor.type) for tensor in header.tensors] == [
        ("token_embd.weight", (64, 8), "f16"),
        ("output_norm.weight", (64,), "f16"),
    ]
    assert header.tensor_offsets == (0, 1024)
    assert header.parameters == 64 * 8 + 64
    assert header.expected_file_bytes == len(raw)
    assert len(raw) - header.data_offset == header.tensor_bytes == 1152


def test_version_2_is_read_like_version_3() -> None:
    assert read_header(io.BytesIO(files.gguf({"a": 1}, version=2))).version == 2


def test_a_vocabulary_is_counted_and_not_kept() -> None:
    header = read_header(io.BytesIO(files.gguf({"tokens": ["x"] * 5000, "scores": [0.5] * 5000, "after": 1})))
    assert header.metadata == {"tokens": Skipped("string", 5000), "scores": Skipped("f32", 5000), "after": 1}


def test_a_vocabulary_is_kept_on_request() -> None:
    tokens = [str(number) for number in range(5000)]
    header = read_header(io.BytesIO(files.gguf({"tokens": tokens})), keep={"tokens"})
    assert header.metadata["tokens"] == tuple(tokens)


def test_strings_longer_than_a_window_are_passed_over() -> None:
    long = "y" * (2 * WINDOW_BYTES + 7)
    header = read_header(io.BytesIO(files.gguf({"tokens": ["b", long] + ["c"] * 5000, "text": long, "after": 1})))
    assert header.metadata == {"tokens": Skipped("string", 5002), "text": Skipped("string", len(long)), "after": 1}


def test_nested_arrays_are_passed_over() -> None:
    header = read_header(io.BytesIO(files.gguf({"nested": [[1, 2], [3]], "words": [["a"], ["bc"]], "after": 1})))
    assert header.metadata == {"nested": Skipped("array", 2), "words": Skipped("array", 2), "after": 1}


def test_a_header_of_seven_megabytes_is_read_in_one_step_a_string() -> None:
    words = {"tokens": ["a token of a vocab"] * 262_144, "merges": ["a b"] * 20_000}
    raw = files.gguf(words, [("t", (32,))] * 1)
    assert len(raw) > 6 * 1024**2
    assert calls(lambda: read_header(io.BytesIO(raw))) < 1.1 * sum(map(len, words.values()))


def test_a_tensor_type_of_the_future_has_a_name_and_no_size() -> None:
    raw = files.preamble(1, 0) + files.tensor("t", (32,), type_id=99)
    header = read_header(io.BytesIO(raw))
    assert header.tensors[0].type == "unknown-99"
    assert header.tensor_bytes is None
    assert header.expected_file_bytes is None


def test_bytes_that_are_not_text_stay_visible() -> None:
    assert read_header(io.BytesIO(files.gguf({"name": b"caf\xe9"}))).metadata["name"] == "caf\\xe9"


@pytest.mark.parametrize(
    ("raw", "slug"),
    [
        (b"", "gguf-truncated"),
        (b"GGUF\x03", "gguf-truncated"),
        (b"PK\x03\x04 not a model", "gguf-foreign"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "gguf-big-endian"),
        (files.preamble(0, 0, version=1), "gguf-version"),
        (files.preamble(0, 0, version=7), "gguf-version"),
        (files.preamble(2**60, 0), "gguf-malformed"),
        (files.preamble(0, 2**60), "gguf-malformed"),
        (files.preamble(0, 1) + struct.pack("<Q", 2**63), "gguf-malformed"),
        (with_value(struct.pack("<I", 13)), "gguf-malformed"),
        (with_value(struct.pack("<IIQ", 9, 77, 1)), "gguf-malformed"),
        (with_value(struct.pack("<IIQ", 9, 77, 2**40)), "gguf-malformed"),
        (with_value(struct.pack("<IIQ", 9, 4, 2**60)), "gguf-malformed"),
        (with_value(struct.pack("<IIQ", 9, 8, 2**60)), "gguf-malformed"),
        (with_value(struct.pack("<IIQ", 9, 8, 2**20)), "gguf-truncated"),
        (with_value(struct.pack("<IIQ", 9, 9, 2**60)), "gguf-malformed"),
        (with_value(struct.pack("<IIQ", 9, 4, 4000)), "gguf-truncated"),
        (with_value(struct.pack("<IQ", 8, 2**62)), "gguf-malformed"),
        (with_value(struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 9, 1) * 9), "gguf-malformed"),
        (files.preamble(1, 0) + files.tensor("t", (2,) * 5), "gguf-malformed"),
        (files.preamble(1, 0) + files.tensor("t", (2**40, 2**40)), "gguf-malformed"),
        (files.preamble(1, 0) + files.tensor("n" * 600, (2,)), "gguf-malformed"),
        (files.preamble(1, 0) + files.tensor("t", (2,), offset=7), "gguf-malformed"),
        (files.preamble(2, 0) + files.tensor("t", (2,)) * 2, "gguf-malformed"),
        (files.preamble(0, 2) + (files.text("a") + files.typed(1)) * 2, "gguf-malformed"),
        (files.gguf({"general.alignment": 48}), "gguf-malformed"),
        (files.gguf({"general.alignment": 0}), "gguf-malformed"),
        (files.gguf({"general.alignment": "32"}), "gguf-malformed"),
    ],
)
def test_a_broken_file_is_refused_by_name(raw: bytes, slug: str) -> None:
    assert slug_of(raw) == slug


def test_every_truncation_of_a_header_is_told_as_such() -> None:
    raw = files.tiny_model(blocks=1)
    end = read_header(io.BytesIO(raw)).data_offset
    for length in range(4, end - 31):
        assert slug_of(raw[:length]) == "gguf-truncated"


# Reads an endless header in a process that may take 400 MiB and 20 s of processor time.
ENDLESS = """
import resource, sys
from stackplan.errors import UserError
from stackplan.gguf.header import read_header

resource.setrlimit(resource.RLIMIT_AS, (400 * 2**20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (20,) * 2)
start, then = (bytes.fromhex(text) for text in sys.argv[1:])

class Endless:
    at = 0

    def seek(self, offset):
        self.at = offset

    def read(self, size):
        have = start[self.at : self.at + size]
        fill = size - len(have)
        phase = (self.at + len(have) - len(start)) % len(then)
        self.at += size
        return have + (then * (fill // len(then) + 2))[phase : phase + fill]

try:
    read_header(Endless())
    print("read")
except UserError as error:
    print(error.slug)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are Linux's")
@pytest.mark.parametrize(
    ("start", "then", "ending"),
    [
        pytest.param(with_value(struct.pack("<IIQ", 9, 8, 2**22)), bytes(8), "read", id="empty texts"),
        pytest.param(with_value(struct.pack("<IIQ", 9, 8, 2**22)), files.text("a" * 99), "gguf-malformed", id="texts"),
        pytest.param(
            files.preamble(0, 60_000), files.text("k") + files.typed([0] * 4096), "gguf-malformed", id="pairs"
        ),
        pytest.param(files.preamble(130_000, 0), files.tensor("t" * 500, (1,) * 4), "gguf-malformed", id="tensors"),
        pytest.param(with_value(struct.pack("<IIQ", 9, 9, 2**16)), struct.pack("<IQ", 8, 0), "read", id="arrays"),
    ],
)
def test_an_endless_header_ends_in_bounded_time_and_memory(start: bytes, then: bytes, ending: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDLESS, start.hex(), then.hex()],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, ending), ended.stderr


def test_parts_of_a_model_merge_into_one_table() -> None:
    shared = {"split.count": 2, "split.tensors.count": 2}
    first = read_header(io.BytesIO(files.gguf({"general.name": "m", "split.no": 0, **shared}, [("a", (32,))])))
    second = read_header(io.BytesIO(files.gguf({"split.no": 1, **shared}, [("b", (32,))])))
    merged = merge_headers([first, second])
    assert [tensor.name for tensor in merged.tensors] == ["a", "b"]
    assert merged.metadata["general.name"] == "m"
    assert merged.parts == 2
    assert merged.data_offset == first.data_offset + second.data_offset


def test_parts_of_different_models_do_not_merge() -> None:
    part = read_header(io.BytesIO(files.gguf({"split.tensors.count": 3}, [("a", (32,))])))
    with pytest.raises(UserError) as caught:
        merge_headers([part, part])
    assert caught.value.slug == "gguf-shards"
