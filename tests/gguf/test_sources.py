import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackplan.errors import UserError
from stackplan.gguf.header import read_header
from stackplan.gguf.remote import RemoteFile
from stackplan.gguf.sources import open_model
from tests.gguf import files
from tests.gguf.server import Site, serving

MODEL = files.tiny_model()
BIG = files.gguf({"tokens": ["a token of a vocab"] * 120_000, "after": 1}, [("t", (32, 4 * 1024**2))])


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        yield running


def slug_of(source: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        open_model(source, environment or {})
    assert caught.value.hint
    assert caught.value.message.isprintable()
    assert caught.value.hint.isprintable()
    return caught.value.slug


def part(number: int, count: int = 2) -> bytes:
    shared = {"split.no": number, "split.count": count, "split.tensors.count": count}
    return files.gguf({"general.architecture": "llama", **shared}, [(f"t{number}", (32,))])


def test_a_local_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(MODEL)
    opened = open_model(str(tmp_path / "m.gguf"))
    assert opened.file_bytes == len(MODEL)
    assert len(opened.header.tensors) == 20


def test_any_part_leads_to_the_whole_model(tmp_path: Path) -> None:
    names = [f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(part(number))
    for source in (*(str(tmp_path / name) for name in names), str(tmp_path)):
        opened = open_model(source)
        assert [tensor.name for tensor in opened.header.tensors] == ["t0", "t1"]
        assert opened.file_bytes == 2 * len(part(0))


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m-00001-of-00002.gguf"
    path.write_bytes(part(0))
    assert slug_of(str(path)) == "gguf-shards"
    renamed = path.rename(tmp_path / "renamed.gguf")
    assert slug_of(str(renamed)) == "gguf-shards"


def test_a_folder_with_several_models_asks_which(tmp_path: Path) -> None:
    for name in ("a.gguf", "evil\x1b[2J.gguf", "mmproj-a.gguf"):
        (tmp_path / name).write_bytes(MODEL)
    assert slug_of(str(tmp_path)) == "model-file-choice"
    (tmp_path / "evil\x1b[2J.gguf").unlink()
    assert open_model(str(tmp_path)).files == (str(tmp_path / "a.gguf"),)


def test_what_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    assert slug_of(str(tmp_path / "pipe.gguf")) == "file-not-found"
    assert slug_of(str(tmp_path / "none.gguf")) == "file-not-found"
    assert slug_of("no\x00name") == "file-not-found"
    assert slug_of("x" * 5000) == "file-not-found"


def test_only_the_first_megabytes_of_a_remote_file_are_read(site: Site) -> None:
    site.pages["/big.gguf"] = BIG
    told: list[int] = []
    opened = open_model(f"{site.address}/big.gguf", {}, told.append)
    assert opened.file_bytes == len(BIG) > 250 * 1024**2
    assert opened.header.metadata["after"] == 1
    assert site.sent_bytes < 8 * 1024**2
    assert told == sorted(told)
    assert told[-1] == site.sent_bytes


def test_a_server_that_ignores_ranges_is_hung_up_on(site: Site) -> None:
    site.pages["/big.gguf"], site.manners["/big.gguf"] = BIG, "ignores ranges"
    told: list[int] = []
    opened = open_model(f"{site.address}/big.gguf", {}, told.append)
    assert opened.file_bytes == len(BIG)
    assert told[-1] < 16 * 1024**2


def test_numbers_that_are_not_kept_are_not_fetched(site: Site) -> None:
    count = 6 * 1024**2
    values = struct.pack("<IIQ", files.ARRAY, files.F32, count) + bytes(4 * count)
    scores = files.preamble(0, 2) + files.text("scores") + values + files.text("after") + files.typed(1)
    site.pages["/m.gguf"] = scores
    assert open_model(f"{site.address}/m.gguf", {}).header.metadata["after"] == 1
    assert site.sent_bytes < 4 * 1024**2 < len(scores) // 4


def test_redirects_are_followed_and_keep_the_token_at_home(site: Site) -> None:
    site.pages["/cdn/m.gguf"] = MODEL
    name = "/owner/model/resolve/main/m.gguf"
    port = site.server_address[1]
    site.redirects[name] = f"http://localhost:{port}/cdn/m.gguf"
    environment = {"HF_ENDPOINT": site.address, "HF_TOKEN": "secret"}
    assert open_model("owner/model:m.gguf", environment).file_bytes == len(MODEL)
    tokens = [(path, headers.get("authorization")) for path, headers in site.requests]
    assert tokens == [(name, "Bearer secret"), ("/cdn/m.gguf", None)]


def test_redirects_in_a_circle_end(site: Site) -> None:
    site.redirects["/a"], site.redirects["/b"] = "/b", "/a"
    assert slug_of(f"{site.address}/a") == "remote-unusable"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://localhost/m.gguf", "gopher://x"])
def test_redirects_leave_the_web_for_nothing(site: Site, target: str) -> None:
    site.redirects["/a"] = target
    assert slug_of(f"{site.address}/a").startswith("remote-un")


@pytest.mark.parametrize(
    ("manner", "slug"),
    [
        ("404", "remote-not-found"),
        ("401", "remote-forbidden"),
        ("403", "remote-forbidden"),
        ("500", "remote-unusable"),
        ("drops the connection", "gguf-truncated"),
        ("other range", "remote-unusable"),
        ("compressed", "remote-unusable"),
    ],
)
def test_a_server_that_does_not_give_the_file_is_told_apart(site: Site, manner: str, slug: str) -> None:
    site.pages["/m.gguf"], site.manners["/m.gguf"] = MODEL, manner
    assert slug_of(f"{site.address}/m.gguf") == slug


def test_a_file_that_ends_in_its_header_is_truncated(site: Site) -> None:
    site.pages["/m.gguf"] = MODEL[:700]
    assert slug_of(f"{site.address}/m.gguf") == "gguf-truncated"


@pytest.mark.parametrize("manner", ["hangs", "trickles"])
def test_a_silent_or_trickling_server_is_given_up(site: Site, manner: str) -> None:
    site.pages["/m.gguf"], site.manners["/m.gguf"] = MODEL, manner
    remote = RemoteFile(f"{site.address}/m.gguf", silence_seconds=0.4, deadline_seconds=0.6)
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        read_header(remote)
    assert caught.value.slug == "remote-timeout"
    assert time.monotonic() - started < 1.5


def test_nobody_at_the_address_is_not_the_same_as_no_file() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert slug_of(f"{address}/m.gguf") == "remote-unreachable"
        assert slug_of("owner/model", {"HF_ENDPOINT": address}) == "remote-unreachable"
    assert slug_of("http://[broken/m.gguf") == "remote-unreachable"


def test_a_repository_with_one_model_needs_no_file_name(site: Site) -> None:
    site.publish_repository("owner/model", {"m.gguf": MODEL, "mmproj-m.gguf": b"", "imatrix.gguf": b""})
    opened = open_model("owner/model", {"HF_ENDPOINT": site.address + "/"})
    assert opened.files == ("m.gguf",)


def test_a_file_is_chosen_by_its_quantisation(site: Site) -> None:
    models = {"m-Q4_K_M.gguf": MODEL, "m-UD-Q4_K_M_XL.gguf": b"", "sub/m-Q8_0.gguf": MODEL}
    site.publish_repository("owner/model", models)
    environment = {"HF_ENDPOINT": site.address}
    assert open_model("owner/model:Q4_K_M", environment).files == ("m-Q4_K_M.gguf",)
    assert open_model("hf.co/owner/model:q8_0", environment).files == ("sub/m-Q8_0.gguf",)
    assert slug_of("owner/model", environment) == "model-file-choice"
    assert slug_of("owner/model:Q2_K", environment) == "model-file-choice"


def test_a_revision_can_be_named(site: Site) -> None:
    site.publish_repository("owner/model", {"m.gguf": MODEL}, revision="v1")
    assert open_model("owner/model@v1", {"HF_ENDPOINT": site.address}).files == ("m.gguf",)


def test_all_parts_of_a_remote_model_are_read(site: Site) -> None:
    site.publish_repository("owner/model", {f"Q8_0/m-0000{n + 1}-of-00002.gguf": part(n) for n in range(2)})
    opened = open_model("owner/model:Q8_0", {"HF_ENDPOINT": site.address})
    assert opened.header.parts == 2
    assert opened.file_bytes == 2 * len(part(0))


@pytest.mark.parametrize(
    "listing", [b"<html>", b"[]", b'{"siblings": 3}', b'{"siblings": [3, {"rfilename": ["x"]}]}', b"[" * 100_000]
)
def test_a_list_of_files_that_makes_no_sense_is_refused(site: Site, listing: bytes) -> None:
    site.pages["/api/models/owner/model/revision/main"] = listing
    assert slug_of("owner/model", {"HF_ENDPOINT": site.address}) in {"remote-unusable", "model-file-choice"}


def test_file_names_from_a_repository_cannot_write_to_the_terminal(site: Site) -> None:
    site.publish_repository("owner/model", {"a\x1b[2J.gguf": b"", "b\u202e.gguf": b""})
    assert slug_of("owner/model", {"HF_ENDPOINT": site.address}) == "model-file-choice"


def test_offline_is_told_apart_from_not_found(site: Site, tmp_path: Path) -> None:
    site.publish_repository("owner/model", {"m.gguf": MODEL})
    environment = {"HF_ENDPOINT": site.address, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    assert slug_of("owner/model:m.gguf", environment) == "offline"
    assert site.requests == []
    assert slug_of("owner/other", {"HF_ENDPOINT": site.address}) == "remote-not-found"


def test_offline_reads_what_was_downloaded_before(tmp_path: Path) -> None:
    revision = "0" * 40
    snapshot = tmp_path / "hub" / "models--owner--model" / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (snapshot / "m.gguf").write_bytes(MODEL)
    references = tmp_path / "hub" / "models--owner--model" / "refs"
    references.mkdir()
    (references / "main").write_text(revision)
    opened = open_model("owner/model", {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)})
    assert opened.file_bytes == len(MODEL)
