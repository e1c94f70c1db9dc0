from stackplan.gguf.types import FILE_TYPES, GGML_TYPES, padded, tensor_bytes, type_name


def test_a_tensor_takes_whole_blocks_of_its_row() -> None:
    assert tensor_bytes((4096, 1024), "f16") == 4096 * 1024 * 2
    assert tensor_bytes((4096, 1024), "q4_k") == 4096 * 1024 // 256 * 144
    assert tensor_bytes((64, 3, 2), "q8_0") == 2 * 34 * 3 * 2
    assert tensor_bytes((), "f32") == 4


def test_a_size_is_unknown_rather_than_wrong() -> None:
    assert tensor_bytes((4096,), "unknown-47") is None
    assert tensor_bytes((100, 2), "q4_0") is None, "100 values are no whole number of blocks of 32"


def test_types_that_old_readers_do_not_know_have_names() -> None:
    assert [type_name(number) for number in (39, 40, 41, 42)] == ["mxfp4", "nvfp4", "q1_0", "q2_0"]
    assert type_name(4) == "unknown-4", "a withdrawn type"
    assert type_name(2**32 - 1) == "unknown-4294967295"


def test_ids_and_names_are_unique() -> None:
    assert len({entry.id for entry in GGML_TYPES}) == len({entry.name for entry in GGML_TYPES}) == len(GGML_TYPES)
    assert len(set(FILE_TYPES.values())) == len(FILE_TYPES)


def test_bits_per_weight_are_the_published_ones() -> None:
    bits = {entry.name: entry.bits_per_weight for entry in GGML_TYPES}
    assert (bits["q8_0"], bits["q4_k"], bits["q6_k"], bits["iq1_s"], bits["mxfp4"]) == (8.5, 4.5, 6.5625, 1.5625, 4.25)


def test_padding_rounds_up_to_the_alignment() -> None:
    assert [padded(size) for size in (0, 1, 32, 33)] == [0, 32, 32, 64]
    assert padded(33, alignment=4096) == 4096
