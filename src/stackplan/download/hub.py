"""Hugging Face through its own client: what a repository holds, and the bytes of a file from any position on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackplan.download.listing import Listing
from stackplan.download.obstacle import Obstacle, Patience
from stackplan.lock import LockedFile

DEFAULT_REVISION = "main"
# Content networks refuse to send more than 50 GB in one answer (huggingface_hub 2.4, MAX_HTTP_DOWNLOAD_SIZE).
LARGEST_ANSWER_BYTES = 40 * 10**9


@dataclass(frozen=True, slots=True)
class Body:
    """An answer being received: ``start`` is its first byte's position in the file."""

    start: int
    chunks: Iterator[bytes]


def list_repository(repository: str, revision: str, patience: Patience, stop: threading.Event) -> Listing:
    """What the repository holds at ``revision`` ("" is its main branch). Raises `Obstacle`."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return _listing(repository, revision or DEFAULT_REVISION, patience)
        except Obstacle as obstacle:
            patience.wait(obstacle, attempt, stop)


def cached_listing(cache: Path, repository: str, revision: str) -> Listing | None:
    """What a cache holds of the repository; None when nothing of that revision is there."""
    folder = cache / ("models--" + repository.replace("/", "--"))
    name = folder / "refs" / (revision or DEFAULT_REVISION)
    commit = name.read_text(encoding="utf-8").strip() if name.is_file() else revision
    snapshot = folder / "snapshots" / commit if commit else folder
    if not commit or not snapshot.is_dir():
        return None
    paths = sorted(path for path in snapshot.rglob("*") if path.is_file())
    return Listing(commit, None, tuple(_cached_file(path, snapshot) for path in paths))


@contextmanager
def stream(repository: str, revision: str, file: LockedFile, start: int, patience: Patience) -> Iterator[Body]:
    """The bytes of a file from ``start`` on, as the server sends them. Raises `Obstacle`, also while receiving."""
    from huggingface_hub import get_session, hf_hub_url  # noqa: PLC0415  (only downloads need it)
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # noqa: PLC0415
        build_hf_headers,
        hf_raise_for_status,
    )

    url = hf_hub_url(repository, file.path, revision=revision or DEFAULT_REVISION)
    headers = {**build_hf_headers(library_name="stackplan"), "Accept-Encoding": "identity"}
    if start or (file.size_bytes or 0) > LARGEST_ANSWER_BYTES:
        headers["Range"] = f"bytes={start}-{start + LARGEST_ANSWER_BYTES - 1}"
    try:
        # The session leaves the token out of requests that are redirected to another host.
        with get_session().stream("GET", url, headers=headers, timeout=patience.silence_seconds) as response:
            if response.status_code == 416:
                raise _shorter(repository, file, start)
            hf_raise_for_status(response)
            yield Body(_first_byte(response), response.iter_bytes())
    except Obstacle:
        raise
    except Exception as error:
        of_disk = isinstance(error, OSError) and error.errno is not None  # the caller knows what it means
        if of_disk or (found := _known(error, repository)) is None:
            raise
        raise found from error


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids to ask."""
    from huggingface_hub import constants  # noqa: PLC0415

    return bool(constants.is_offline_mode())


def _listing(repository: str, revision: str, patience: Patience) -> Listing:
    from huggingface_hub import HfApi  # noqa: PLC0415

    try:
        info = HfApi(library_name="stackplan").model_info(
            repository, revision=revision, files_metadata=True, timeout=patience.silence_seconds
        )
    except Exception as error:
        if (found := _known(error, repository)) is None:
            raise
        raise found from error
    if not info.sha:
        raise _strange(repository, "it names no revision")
    files = tuple(_listed_file(file) for file in info.siblings or ())
    gated = None if info.gated is None else bool(info.gated)
    return Listing(info.sha, gated, tuple(sorted(files, key=lambda file: file.path)))


def _listed_file(file: Any) -> LockedFile:
    if file.lfs is not None:
        return LockedFile(file.rfilename, file.lfs.size, file.lfs.sha256)
    return LockedFile(file.rfilename, file.size, "", file.blob_id or "")


def _cached_file(path: Path, snapshot: Path) -> LockedFile:
    """A file of the cache; its content is named by its checksum."""
    name, checksum = path.relative_to(snapshot).as_posix(), path.resolve().name
    sums = {64: ("sha256", checksum), 40: ("git_sha1", checksum)}.get(len(checksum))
    return LockedFile(name, path.stat().st_size, **(dict([sums]) if sums else {}))


def _first_byte(response: Any) -> int:
    if response.status_code != 206:
        return 0
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    first = rest.partition("-")[0]
    if unit != "bytes" or not first.isdecimal():
        raise _strange(str(response.url.host), "it answers a range without saying which")
    return int(first)


def _unreachable(error: Exception, repository: str) -> Obstacle:
    """Any failure of the network as an obstacle that waiting may remove."""
    words = " ".join(str(error).split())[:160] or type(error).__name__
    return Obstacle(
        f"the hub cannot be reached for {repository}: {words}",
        hint="check network, proxy and HF_ENDPOINT and run it again, or use only the cache: HF_HUB_OFFLINE=1",
        slug="hub-unreachable",
        temporary=True,
    )


def _known(error: Exception, repository: str) -> Obstacle | None:
    """What the hub's client reported, in words for people; None for what is a bug."""
    import httpx2  # noqa: PLC0415
    from huggingface_hub import errors  # noqa: PLC0415

    if isinstance(error, errors.OfflineModeIsEnabled):
        return Obstacle(
            f"{repository} is not complete in the cache, and HF_HUB_OFFLINE forbids to ask",
            hint="unset HF_HUB_OFFLINE, or copy the cache of a machine that has it",
            slug="offline",
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _refused(error, repository)
    if isinstance(error, httpx2.TimeoutException):
        return Obstacle(
            f"the hub says nothing about {repository}",
            hint="try again later; HF_HUB_DOWNLOAD_TIMEOUT sets for how many seconds it may be silent",
            slug="hub-silent",
            temporary=True,
        )
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | ValueError | OSError):
        return _unreachable(error, repository)
    return None


def _refused(error: Any, repository: str) -> Obstacle:
    from huggingface_hub import constants, errors  # noqa: PLC0415

    status = error.response.status_code
    page = f"{constants.ENDPOINT}/{repository}"
    if isinstance(error, errors.GatedRepoError):
        return Obstacle(
            f"{repository} is gated: its owner gives access to accounts that ask",
            hint=f"accept the terms at {page}, then set HF_TOKEN or run `hf auth login`",
            slug="gated",
        )
    if isinstance(error, errors.RevisionNotFoundError | errors.RemoteEntryNotFoundError):
        return Obstacle(
            f"{repository} no longer holds what is locked ({status})",
            hint="see what it holds now: stackplan lock --upgrade",
            slug="hub-not-found",
        )
    if status in (401, 403, 404) or isinstance(error, errors.RepositoryNotFoundError | errors.DisabledRepoError):
        return Obstacle(
            f"{repository} does not exist, or needs a token that may read it ({status})",
            hint=f"look at {page}; set HF_TOKEN or run `hf auth login` if it is private or gated",
            slug="hub-forbidden",
        )
    return Obstacle(
        f"the hub answers {status} for {repository}",
        hint="try again later: it continues where it stopped",
        slug="hub-busy" if status == 429 else "hub-broken",
        temporary=status in (408, 425, 429) or status >= 500,
        wait_seconds=_retry_after(error.response.headers),
    )


def _retry_after(headers: Any) -> float | None:
    text = headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None


def _shorter(repository: str, file: LockedFile, start: int) -> Obstacle:
    return Obstacle(
        f"{repository}/{file.path} ends before byte {start} on the server, {file.size_bytes} were promised",
        hint="the file changed or the mirror is broken: try another HF_ENDPOINT, or stackplan lock --upgrade",
        slug="file-truncated",
    )


def _strange(where: str, what: str) -> Obstacle:
    return Obstacle(
        f"the answer for {where} cannot be used: {what}", hint="check HF_ENDPOINT and the proxy", slug="hub-strange"
    )
