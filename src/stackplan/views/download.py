"""Downloads as text and as plain data: what would be fetched, what was, what failed and why."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from stackplan.download.disk import DiskBudget
from stackplan.download.obstacle import Failed
from stackplan.download.preview import FilePreview, Preview, State
from stackplan.download.run import Outcome, Ready
from stackplan.units import format_bytes


def preview_text(previews: Sequence[Preview], disks: Sequence[DiskBudget]) -> str:
    """What each file needs and where it will be, then what each disk has."""
    if not previews:
        return "nothing to download: no model of this tier in the plan"
    lines: list[str] = []
    for one in previews:
        lines.append(f"{one.wanted.tier.upper():5} {', '.join(one.wanted.roles) or 'draft'}: {one.artifact.id}")
        lines += _file_lines(one)
    missing = sum(one.missing_bytes for one in previews)
    total = sum(one.size_bytes for one in previews)
    lines += ["", f"to fetch  {format_bytes(missing)} of {format_bytes(total)}"]
    return "\n".join([*lines, *(disk_line(disk) for disk in disks)])


def preview_data(previews: Sequence[Preview], disks: Sequence[DiskBudget]) -> dict[str, Any]:
    """The same as plain data; integers in bytes."""
    return {
        "dry_run": True,
        "missing_bytes": sum(one.missing_bytes for one in previews),
        "artifacts": [_artifact_data(one) for one in previews],
        "disks": [_disk_data(disk) for disk in disks],
    }


def disk_line(disk: DiskBudget) -> str:
    """What a disk is to take and has, and what is missing."""
    short = f", {format_bytes(disk.short_bytes)} short" if disk.short_bytes else ""
    return f"disk      {format_bytes(disk.need_bytes)} into {disk.folder}, {format_bytes(disk.free_bytes)} free{short}"


def _file_lines(one: Preview) -> list[str]:
    if one.wanted.pull:
        pull = one.wanted.pull
        return [f"      {format_bytes(one.size_bytes):>10}  pulled by Ollama at {pull.url} as {pull.name}"]
    if not one.files:
        where = f"{one.artifact.repository}, {one.artifact.quantisation}"
        return [f"      {format_bytes(one.size_bytes):>10}  {where}: files are looked up when downloading"]
    return [_file_line(file) for file in one.files]


def _file_line(file: FilePreview) -> str:
    size = format_bytes(file.size_bytes) if file.size_bytes is not None else "?"
    begun = f", {format_bytes(file.missing_bytes)} left" if file.state is State.BEGUN else ""
    return f"      {size:>10}  {file.state}{begun}  {file.path}"


def _artifact_data(one: Preview) -> dict[str, Any]:
    pull = one.wanted.pull
    return {
        "artifact": one.artifact.id,
        "tier": one.wanted.tier,
        "roles": list(one.wanted.roles),
        "repository": one.artifact.repository,
        "revision": one.artifact.revision,
        "gated": one.artifact.gated,
        "state": str(one.state),
        "size_bytes": one.size_bytes,
        "missing_bytes": one.missing_bytes,
        "ollama": {"server": pull.server, "url": pull.url, "name": pull.name} if pull else None,
        "files": [
            {
                "path": str(file.path),
                "state": str(file.state),
                "size_bytes": file.size_bytes,
                "missing_bytes": file.missing_bytes,
                "sha256": file.file.sha256,
            }
            for file in one.files
        ],
    }


def _disk_data(disk: DiskBudget) -> dict[str, Any]:
    return {
        "folder": str(disk.folder),
        "need_bytes": disk.need_bytes,
        "free_bytes": disk.free_bytes,
        "short_bytes": disk.short_bytes,
    }


def outcome_text(outcomes: Sequence[Outcome]) -> str:
    """What was fetched, then every failure once with its cause and the next step."""
    ready = [one for one in outcomes if isinstance(one, Ready)]
    received = sum(one.received_bytes for one in ready)
    lines = [f"{len(ready)} of {len(outcomes)} ready, {format_bytes(received)} fetched"]
    for reason, hint, names in _failures(outcomes):
        lines += [f"FAILED {', '.join(names)}", f"       {reason}", f"       {hint}"]
    return "\n".join(lines)


def outcome_data(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The same as plain data; integers in bytes."""
    ready = [one for one in outcomes if isinstance(one, Ready)]
    failed = [one for one in outcomes if isinstance(one, Failed)]
    return {
        "dry_run": False,
        "received_bytes": sum(one.received_bytes for one in ready),
        "ready": [dataclasses.asdict(one) for one in ready],
        "failed": [dataclasses.asdict(one) for one in failed],
    }


def _failures(outcomes: Sequence[Outcome]) -> list[tuple[str, str, list[str]]]:
    """Failures of one cause together: a gated repository fails file by file and is told once."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in outcomes:
        if isinstance(one, Failed):
            found.setdefault((one.reason, one.hint), []).append(one.name)
    return [(reason, hint, names) for (reason, hint), names in found.items()]
