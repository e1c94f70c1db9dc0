"""Address space that ggml's scheduler asks for and never touches is no memory."""

import os
from pathlib import Path

import pytest

from stackplan.units import MIB
from stackplan.verify.model_files import loaded_files
from stackplan.verify.observation import LoadedFile
from stackplan.verify.set_aside import set_aside_bytes
from tests.render.tiny_gguf import chat_model, encoder


@pytest.mark.parametrize(
    ("tensors", "mapped"),
    [(21, 19.73), (579, 89.32)],  # what strace saw ggml_backend_sched_new ask for (llama-server b11434)
)
def test_the_scheduler_asks_for_room_by_tensors(tensors: int, mapped: float) -> None:
    assert set_aside_bytes([LoadedFile("llama", tensors)], 512) == pytest.approx(mapped * MIB, rel=0.005)


def test_hybrid_models_have_wider_graphs_by_their_micro_batch() -> None:
    hybrid = [LoadedFile("qwen3next", 400)]
    assert set_aside_bytes(hybrid, 512) == pytest.approx(397 * MIB, rel=0.01)
    assert set_aside_bytes(hybrid, 128) < set_aside_bytes(hybrid, 512) < set_aside_bytes(hybrid, 2048)


def test_a_draft_and_a_projector_have_schedulers_of_their_own() -> None:
    one, projector = LoadedFile("llama", 21), LoadedFile("clip", 400)
    assert set_aside_bytes([one, one], 512) == 2 * set_aside_bytes([one], 512)
    assert set_aside_bytes([one, projector], 512) > 8 * set_aside_bytes([one], 512)


def test_a_file_that_nobody_could_read_still_has_a_scheduler() -> None:
    assert set_aside_bytes([], 512) == set_aside_bytes([LoadedFile("", 0)], 512) > 0


def test_model_files_tell_their_architecture_and_tensors(tmp_path: Path) -> None:
    chat_model(tmp_path / "chat.gguf")
    encoder(tmp_path / "embed.gguf", reranks=False)
    found = loaded_files([tmp_path / "chat.gguf", tmp_path / "embed.gguf", tmp_path / "chat.gguf"])
    assert [one.architecture for one in found] == ["llama", "bert"]
    assert found[0].tensors == 12


def test_parts_of_one_model_add_up(tmp_path: Path) -> None:
    for part in (1, 2):
        chat_model(tmp_path / f"big-{part:05d}-of-00002.gguf")
    assert loaded_files(sorted(tmp_path.iterdir())) == (LoadedFile("llama", 24),)


def test_what_is_no_model_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("GGUF")
    (tmp_path / "other").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    (tmp_path / "odd").write_bytes(b"GGUF" + b"\xff" * 100)
    found = loaded_files([*tmp_path.iterdir(), tmp_path, Path("/proc/self/mem"), tmp_path / ("x" * 300)])
    assert [one.architecture for one in found] == [""]
