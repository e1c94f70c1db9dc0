"""Asking llama.cpp itself: what goes in, what comes out, and the real program where it is installed."""

import shutil

import pytest

from stackplan.errors import UserError
from stackplan.estimate.oracle import OracleRow, arguments, find_program, parse_rows, write_hollow
from stackplan.serving import Placement, Serving
from stackplan.units import MIB

# stdout of llama-fit-params b11434 with -fitp on for Qwen3-8B Q4_K_M on two cards.
PRINTED = "FAKE0 2087 608 232 \nFAKE1 2367 544 400 \nHost 333 0 112 \n"


def test_its_table_is_device_model_context_compute_in_mib():
    rows = parse_rows(PRINTED)
    assert rows[0] == OracleRow("FAKE0", 2087 * MIB, 608 * MIB, 232 * MIB)
    assert [row.place for row in rows] == ["FAKE0", "FAKE1", "Host"]


def test_noise_is_no_table():
    assert parse_rows("error: invalid argument: -kvu\n") == ()


def test_the_question_names_every_setting():
    line = " ".join(arguments(Serving(16384, 2, kv_type_k="q8_0", kv_type_v="q8_0"), Placement(("gpu0",), 20)))
    assert line == "-c 16384 -np 2 -ub 512 -b 2048 -ctk q8_0 -ctv q8_0 -fa auto -ngl 20 -ncmoe 0 -fitp on -nr"


def test_it_cannot_be_asked_for_a_unified_cache():
    with pytest.raises(UserError) as caught:
        arguments(Serving(8192, 4, True), Placement())
    assert caught.value.slug == "oracle-unified"


def test_a_hollow_copy_has_the_header_and_the_size_and_no_data(tmp_path):
    write_hollow(tmp_path / "hollow.gguf", b"GGUF header", 10 * MIB)
    found = tmp_path / "hollow.gguf"
    assert found.stat().st_size == 10 * MIB
    assert found.stat().st_blocks * 512 < MIB
    assert found.read_bytes()[:12] == b"GGUF header\0"


def test_a_folder_without_the_program_says_so(tmp_path):
    with pytest.raises(UserError) as caught:
        find_program(tmp_path)
    assert caught.value.slug == "oracle-missing"


def test_the_path_is_searched_when_no_folder_is_named(monkeypatch, tmp_path):
    program = tmp_path / "llama-fit-params"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(find_program(None)) == shutil.which("llama-fit-params") == str(program)
