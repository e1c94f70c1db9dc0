import json
import subprocess
import sys
from pathlib import Path

import pytest

from stackplan.cli import run
from tests.gguf import files


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(files.tiny_model("gemma3", blocks=6, attention__sliding_window=512))
    return path


def test_inspect_says_what_serving_depends_on(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model)]) == 0
    text = capsys.readouterr().out
    assert "gemma3" in text
    assert "6: 1 full, 5 sliding; width 64" in text
    assert "128 B per token of context + 640 B per token of a window of 512 (f16)" in text
    assert "4096 tokens in training" in text
    assert "incomplete" not in text


def test_inspect_gives_the_same_as_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model), "--json", "--metadata", "--tensors"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["file_bytes"] == answer["expected_file_bytes"] == model.stat().st_size
    assert answer["architecture"]["layers"] == {"full": 1, "sliding": 5}
    assert answer["f16_kv_bytes_per_token"] == 2 * (32 + 32)
    assert answer["types"] == [
        {"type": "f16", "tensors": 56, "elements": answer["parameters"], "bytes": 2 * answer["parameters"]}
    ]
    assert answer["metadata"]["gemma3.block_count"] == 6
    assert answer["tensors"][0] == {"name": "token_embd.weight", "shape": [64, 8], "type": "f16"}


def test_an_incomplete_download_is_told(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with model.open("r+b") as stream:
        stream.truncate(model.stat().st_size - 5000)
    assert run(["inspect", str(model)]) == 0
    assert "4.9 KiB are missing at the end" in capsys.readouterr().out


def test_a_projector_has_a_header_and_no_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mmproj.gguf"
    path.write_bytes(files.gguf({"general.architecture": "clip"}, [("v.patch_embd.weight", (32, 8))]))
    assert run(["inspect", str(path)]) == 0
    assert "none: the metadata key clip.block_count is missing" in capsys.readouterr().out
    assert run(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["architecture"] is None


def test_a_tensor_type_of_the_future_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "future.gguf"
    path.write_bytes(files.preamble(1, 0) + files.tensor("t", (32,), type_id=99))
    assert run(["inspect", str(path)]) == 0
    assert "unknown-99     1 tensors size not known" in capsys.readouterr().out


def test_nothing_in_a_file_reaches_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;owned\x07\u202egnp.exe\u200b\r\n" + "x" * 10_000
    metadata = {"general.architecture": "llama", "general.name": evil, evil[:900]: evil, "list": [evil]}
    path = tmp_path / "evil.gguf"
    path.write_bytes(files.gguf(metadata, [("t\x1b[2J", (32,))]))
    for more in ([], ["--json"]):
        assert run(["inspect", str(path), "--metadata", "--tensors", *more]) == 0
        told = capsys.readouterr()
        assert all(line.isprintable() for line in (told.out + told.err).split("\n"))
        assert more or max(map(len, told.out.split("\n"))) < 600


def test_a_broken_file_is_an_error_with_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(files.tiny_model()[:500])
    assert run(["inspect", str(path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error[gguf-truncated]: the file ends after 500 bytes")
    assert "hint: " in told.err


def test_inspect_starts_quickly(model: Path) -> None:
    """Nothing heavy is imported for a local file."""
    program = (
        "import sys; from stackplan.cli import run; run(['inspect', sys.argv[1]]); "
        "print([name for name in ('huggingface_hub', 'yaml', 'jinja2', 'rich') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(model)], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
