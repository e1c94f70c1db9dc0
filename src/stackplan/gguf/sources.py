"""From what people type to a header: a local path, ``REPO:FILE`` on Hugging Face, or an address.

This is the edge of the package: it reads files, the network and the environment.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from stackplan.errors import UserError
from stackplan.gguf.header import Header, merge_headers, read_header
from stackplan.gguf.remote import Progress, RemoteFile, fetch_json
from stackplan.gguf.shards import chosen_file, part_names

_REPOSITORY = re.compile(
    r"(?:hf\.co/|huggingface\.co/)?(?P<repository>[\w.-]{1,96}/[\w.-]{1,96})"
    r"(?:@(?P<revision>[\w./-]{1,96}))?(?::(?P<file>[^\x00-\x1f\\]{1,300}))?",
    re.ASCII,
)
_YES = {"1", "on", "yes", "true"}


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A header and where it came from. ``file_bytes`` sums all parts, None when a server does not say."""

    source: str
    files: tuple[str, ...]
    header: Header
    file_bytes: int | None


def open_model(
    source: str, environment: Mapping[str, str] = os.environ, progress: Progress | None = None
) -> OpenedModel:
    """Read the header that ``source`` means, all parts of it. Raises UserError.

    ``source`` is a file or folder, ``REPO``, ``REPO:FILE``, ``REPO:Q4_K_M``, ``REPO@REVISION:FILE`` or an address.
    ``progress`` is told the bytes received from a server so far.
    """
    if source.startswith(("http://", "https://")):
        return _from_address(source, progress)
    path = Path(source).expanduser()
    try:
        exists = path.exists()
    except (OSError, ValueError):
        exists = False
    if exists:
        return _from_path(path)
    match = _REPOSITORY.fullmatch(source)
    if match and (match["file"] or not source.endswith(".gguf")):
        return _from_repository(source, match, environment, progress)
    raise UserError(
        f"there is no file {source!r}",
        hint="Give a .gguf file, or a Hugging Face repository as OWNER/NAME:FILE.",
        slug="file-not-found",
    )


def _from_path(path: Path) -> OpenedModel:
    if path.is_dir():
        names = [entry.name for entry in path.iterdir()]
        path /= chosen_file(names, "", f"the folder {path}")
    parts = [path.with_name(name) for name in part_names(path.name)]
    headers = [_read_local(part) for part in parts]
    _check_parts(path.name, headers)
    return OpenedModel(
        source=str(path),
        files=tuple(str(part) for part in parts),
        header=headers[0] if len(headers) == 1 else merge_headers(headers),
        file_bytes=sum(part.stat().st_size for part in parts),
    )


def _read_local(path: Path) -> Header:
    if not path.exists():
        raise UserError(
            f"the part {path.name} is missing in {path.parent}",
            hint="Put all parts of the model side by side.",
            slug="gguf-shards",
        )
    if not path.is_file():
        raise UserError(f"{path} is not a regular file", hint="Give a .gguf file.", slug="file-not-found")
    try:
        with path.open("rb") as stream:
            return read_header(stream)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}", hint="Check its permissions.", slug="file-unreadable"
        ) from error


def _check_parts(name: str, headers: list[Header]) -> None:
    count = headers[0].metadata.get("split.count", 1)
    if isinstance(count, int) and count > 1 and count != len(headers):
        raise UserError(
            f"{name} is one of {count} parts, and its name does not lead to the others",
            hint=f"Name them NAME-00001-of-{count:05d}.gguf and so on, as they were published.",
            slug="gguf-shards",
        )


def _from_address(source: str, progress: Progress | None) -> OpenedModel:
    stem, slash, last = source.partition("?")[0].rpartition("/")
    query = source[len(stem) + len(slash) + len(last) :]
    names = part_names(last)
    return _from_server(source, [(name, f"{stem}{slash}{name}{query}") for name in names], {}, progress)


def _from_server(
    source: str, files: list[tuple[str, str]], headers: Mapping[str, str], progress: Progress | None
) -> OpenedModel:
    remote = [RemoteFile(address, headers, progress) for _, address in files]
    parts = [read_header(file) for file in remote]
    _check_parts(files[0][0], parts)
    sizes = [file.size for file in remote]
    return OpenedModel(
        source=source,
        files=tuple(name for name, _ in files),
        header=parts[0] if len(parts) == 1 else merge_headers(parts),
        file_bytes=None if None in sizes else sum(size or 0 for size in sizes),
    )


def _from_repository(
    source: str, match: re.Match[str], environment: Mapping[str, str], progress: Progress | None
) -> OpenedModel:
    repository, revision, wanted = match["repository"], match["revision"] or "main", match["file"] or ""
    if environment.get("HF_HUB_OFFLINE", "").lower() in _YES:
        return _from_cache(repository, revision, wanted, environment)
    endpoint = environment.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    token = environment.get("HF_TOKEN", "").strip()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    name = wanted
    if not wanted.endswith(".gguf"):
        name = chosen_file(_repository_files(endpoint, repository, revision, headers), wanted, repository)
    base = f"{endpoint}/{repository}/resolve/{quote(revision, safe='')}"
    return _from_server(source, [(part, f"{base}/{quote(part)}") for part in part_names(name)], headers, progress)


def _repository_files(endpoint: str, repository: str, revision: str, headers: Mapping[str, str]) -> list[str]:
    answer = fetch_json(f"{endpoint}/api/models/{repository}/revision/{quote(revision, safe='')}", headers)
    siblings = answer.get("siblings") if isinstance(answer, dict) else None
    if not isinstance(siblings, list):
        raise UserError(
            f"{endpoint} does not list the files of {repository}",
            hint="Name the file: OWNER/NAME:FILE.",
            slug="remote-unusable",
        )
    names = (entry.get("rfilename") for entry in siblings if isinstance(entry, dict))
    return [name for name in names if isinstance(name, str)]


def _from_cache(repository: str, revision: str, wanted: str, environment: Mapping[str, str]) -> OpenedModel:
    """The copy that huggingface_hub downloaded earlier, when the user has switched the network off."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 -- half a second that only this case needs
    from huggingface_hub.errors import LocalEntryNotFoundError  # noqa: PLC0415

    home = environment.get("HF_HOME")
    cache = environment.get("HF_HUB_CACHE") or (str(Path(home) / "hub") if home else None)
    try:
        folder = Path(snapshot_download(repository, revision=revision, cache_dir=cache, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError, OSError) as error:
        raise UserError(
            f"{repository} is not in the local cache, and HF_HUB_OFFLINE forbids asking the network",
            hint="Unset HF_HUB_OFFLINE, or give the path of a local file.",
            slug="offline",
        ) from error
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.gguf"))]
    return _from_path(folder / chosen_file(names, wanted, f"the local cache of {repository}"))
