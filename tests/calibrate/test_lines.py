"""Measurements as JSON Lines: what was written comes back, and a hostile line is refused by its number."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.calibrate.samples import SAMPLE, numbered

from stackplan.measurement import Figure, Measurement, digest_of, measurement_data, measurement_line
from stackplan.measurement_lines import LONGEST_LINE, BadLine, lines_of, measurement_schema, read_lines
from stackplan.values import replace

GOOD = measurement_data(SAMPLE)


def read(*lines: object) -> list[Measurement | BadLine]:
    return list(read_lines(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))


def test_what_was_exported_is_imported_as_it_was() -> None:
    some = [SAMPLE, numbered(1), replace(SAMPLE, gpu_layers=12, split=(3.0, 1.0), draft="tiny:Q8_0", load_seconds=None)]
    back = list(read_lines(lines_of(some).encode().splitlines()))
    assert sorted(map(measurement_line, back)) == sorted(map(measurement_line, some))  # type: ignore[arg-type]
    assert lines_of(back) == lines_of(reversed(some))  # type: ignore[arg-type]


rates = st.floats(min_value=1e-3, max_value=1e7)


@given(st.lists(rates, min_size=3, max_size=3).map(sorted), st.integers(0, 10**6), st.none() | st.integers(1, 2**40))
def test_every_measurement_survives_a_line(figures: list[float], depth: int, peak: int | None) -> None:
    low, median, high = figures
    one = replace(SAMPLE, decode=Figure(median, low, high), depth_tokens=depth, device_peak_bytes=peak)
    assert read(measurement_line(one).encode()) == [one]


def test_a_digest_knows_no_order_and_no_repetition() -> None:
    assert digest_of([SAMPLE, numbered(1)]) == digest_of([numbered(1), SAMPLE, SAMPLE])
    assert digest_of([SAMPLE]) != digest_of([numbered(1)])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"schema": 2}, "schema"),
        ({"schema": None}, "schema"),
        ({"machine": "my laptop"}, "machine"),
        ({"devices": []}, "devices"),
        ({"devices": ["x" * 301]}, "devices"),
        ({"devices": ["red\x1b[31m"]}, "devices"),
        ({"engine": "../../etc"}, "engine"),
        ({"mode": "speech"}, "mode"),
        ({"kv_type": "q1_0"}, "kv_type"),
        ({"decode": None}, "decode"),
        ({"decode": {"median": -1, "low": -1, "high": -1}}, "decode.median"),
        ({"decode": {"median": 1, "low": 2, "high": 3}}, "order"),
        ({"decode": {"median": 1e300, "low": 1, "high": 1e301}}, "decode.median"),
        ({"context_tokens": 2**70}, "context_tokens"),
        ({"context_tokens": True}, "context_tokens"),
        ({"context_tokens": "32768"}, "context_tokens"),
        ({"host_peak_bytes": 2**60}, "host_peak_bytes"),
        ({"measured_at": "yesterday"}, "measured_at"),
        ({"artifact": 7}, "artifact"),
        ({"hook": "import os"}, "hook"),
    ],
)
def test_a_field_that_cannot_be_is_refused_by_its_name(change: dict[str, object], word: str) -> None:
    good, bad = read(GOOD, {**GOOD, **change})
    assert good == SAMPLE
    assert isinstance(bad, BadLine)
    assert bad.number == 2
    assert word in bad.reason
    assert bad.reason.isprintable()


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 10_000, b'{"schema":1,"decode":NaN}', b"9" * 10_000,
     b'{"devices":["\\ud800"]}', b" " * (LONGEST_LINE + 1) + b"{}", b"\x00"],
)  # fmt: skip
def test_a_line_that_is_no_object_is_refused(line: bytes) -> None:
    (bad,) = read(line)
    assert isinstance(bad, BadLine)
    assert bad.reason.isprintable()


@given(st.binary(max_size=200))
def test_no_line_whatsoever_ends_in_a_traceback(line: bytes) -> None:
    assert all(isinstance(one, BadLine) for one in read_lines([line]))


def test_an_endless_file_ends() -> None:
    def endless() -> object:
        while True:
            yield b"{}"

    *_, last = read_lines(endless())  # type: ignore[arg-type]
    assert "lines" in last.reason


def test_the_schema_names_every_field_of_a_line() -> None:
    assert set(GOOD) <= set(measurement_schema()["properties"])
    assert measurement_schema()["additionalProperties"] is False
