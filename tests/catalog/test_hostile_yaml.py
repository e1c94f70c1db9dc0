"""Files of strangers: plain, bounded YAML or a sentence that names file and line; never a traceback."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackplan.errors import UserError
from stackplan.strict_yaml import MAX_FILE_BYTES, parse_yaml, read_yaml

FILE = Path("models/x.yaml")


def refusal(content: bytes) -> str:
    with pytest.raises(UserError) as caught:
        parse_yaml(content, FILE)
    return caught.value.message


def test_plain_values_keep_their_meaning_and_dates_stay_text():
    document = parse_yaml(b"a: 1_000\nb: [2.5, '3', null, true, no]\nc: 2025-04-01\nd: 0.6.1\n", FILE)
    assert document.data == {"a": 1000, "b": [2.5, "3", None, True, "no"], "c": "2025-04-01", "d": "0.6.1"}


def test_every_field_has_its_line():
    document = parse_yaml(b"a: 1\nb:\n  - c: 2\n  - c: 3\n", FILE)
    assert (document.line(("a",)), document.line(("b", 1, "c")), document.line(("b", 1, "missing"))) == (1, 4, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: &x [1, 2]\nb: *x\n", "models/x.yaml:1: anchors and aliases are not allowed; write the value out"),
        (b"a: 1\nb: !!python/object/apply:os.system [id]\n", "models/x.yaml:2: the tag tag:yaml.org,2002:python/"),
        (b"a:\n  b: 1\n  b: 2\n", "models/x.yaml:3: a.b: the key 'b' appears twice"),
        (b"a: 1\n---\nb: 2\n", "models/x.yaml:2: one document per file"),
        (b"? [1, 2]\n: 3\n", "models/x.yaml:1: a key must be text"),
        (b"a: b: c\n", "models/x.yaml:1: not valid YAML: mapping values are not allowed in this context"),
        (b"a: [1,\n", "models/x.yaml:2: not valid YAML"),
        (b"a: \x00\n", "models/x.yaml"),
        (b"\xff\xfe\xff", "models/x.yaml"),
    ],
)
def test_what_is_not_plain_is_refused_by_line(content, message):
    assert refusal(content).startswith(message)


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- "])
def test_deep_nesting_ends_at_a_bound_and_not_in_the_stack(opening):
    assert "nested deeper than" in refusal(opening * 200_000)


def test_an_anchor_bomb_costs_nothing():
    bomb = b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 60))
    start = time.perf_counter()
    assert "anchors" in refusal(bomb)
    assert time.perf_counter() - start < 1


def test_a_huge_file_is_not_even_read_to_its_end(tmp_path):
    path = tmp_path / "big.yaml"
    with path.open("wb") as stream:
        stream.truncate(64 * MAX_FILE_BYTES)
    with pytest.raises(UserError, match="more than 4194304 bytes in one file"):
        read_yaml(path)


def test_many_small_values_are_bounded_too():
    assert "more than 400000 values" in refusal(b"[" + b"1," * 500_000 + b"1]")


def test_a_number_of_ten_thousand_digits_is_text_and_not_a_crash():
    assert parse_yaml(b"a: " + b"9" * 10_000, FILE).data == {"a": "9" * 10_000}


def test_a_file_that_is_not_there_is_told_by_name(tmp_path):
    with pytest.raises(UserError, match=r"gone.yaml: No such file or directory"):
        read_yaml(tmp_path / "gone.yaml")


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_give_data_or_a_user_error(content):
    try:
        parse_yaml(content, FILE)
    except UserError as error:
        assert "\n" not in error.message  # noqa: PT017  (either ending is fine; this one must be one line)
