from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackplan.units import GIB, MIB, format_bytes, format_gib, format_tokens, parse_bytes, parse_tokens


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GiB", 24 * GIB),
        ("24 GB", 24 * 10**9),
        ("512 MiB", 512 * MIB),
        ("1.5GiB", GIB + GIB // 2),
        ("0.1 GB", 10**8),
        ("  7tib ", 7 * 1024 * GIB),
        ("1000000", 10**6),
        ("8k", 8000),
        (24, 24),
    ],
)
def test_sizes_are_binary_only_where_they_say_so(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1GiB", "1.GiB", "1e9", "24 GiBs", "9" * 16, "1,5GiB", "nan", "0x10"])
def test_what_is_not_a_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 20GiB"):
        parse_bytes(text)


@pytest.mark.parametrize(("text", "tokens"), [("32768", 32768), ("32k", 32768), ("1M", 1048576), (5, 5)])
def test_tokens_count_in_1024s(text: str | int, tokens: int) -> None:
    assert parse_tokens(text) == tokens


@pytest.mark.parametrize("text", ["", "k", "1.5k", "-4", "32kb", "1e4", "9" * 13])
def test_what_is_not_a_number_of_tokens_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 32768 or 32k"):
        parse_tokens(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1024, "1.0 KiB"), (-3 * GIB, "-3.0 GiB"), (18 * GIB + GIB // 2, "18.5 GiB")],
)
def test_sizes_read_in_the_unit_that_keeps_them_short(size: int, text: str) -> None:
    assert format_bytes(size) == text


def test_columns_of_gib_carry_no_unit() -> None:
    assert (format_gib(18 * GIB + GIB // 2), format_gib(GIB // 3, 2)) == ("18.5", "0.33")


@given(st.integers(0, 10**12 - 1))
def test_tokens_written_for_people_are_read_back_as_the_same_number(tokens: int) -> None:
    assert parse_tokens(format_tokens(tokens)) == tokens


@given(st.integers(0, 10**6), st.sampled_from(["", "B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"]))
def test_whole_sizes_are_exact_in_every_unit(count: int, unit: str) -> None:
    assert parse_bytes(f"{count}{unit}") == count * parse_bytes(f"1{unit}")


@given(st.decimals(0, 10**6, places=9, allow_nan=False, allow_infinity=False))
def test_fractions_of_a_unit_lose_less_than_one_byte(amount: object) -> None:
    exact = Fraction(str(amount)) * GIB
    assert 0 <= exact - parse_bytes(f"{amount:f}GiB") < 1
