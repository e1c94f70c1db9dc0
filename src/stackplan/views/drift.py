"""Drift for people, for GitHub's log, for code scanning (SARIF 2.1.0) and as JSON."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from stackplan.drift import Drift

FORMATS = ("text", "json", "github", "sarif")
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def drift_text(found: Sequence[Drift]) -> str:
    """One difference per paragraph, with its next step."""
    if not found:
        return "everything agrees"
    lines = [line for one in found for line in (f"{one.kind:16} {one.message}", f"{'':16} {one.hint}")]
    return "\n".join([*lines, f"{len(found)} differences"])


def drift_json(found: Sequence[Drift]) -> str:
    """The differences as plain data."""
    return json.dumps({"drift": [dataclasses.asdict(one) for one in found]}, indent=2, ensure_ascii=False)


def drift_github(found: Sequence[Drift], folder: str) -> str:
    """Workflow commands that GitHub shows beside the file (docs.github.com, workflow commands, 2026-11)."""
    return "\n".join(
        f"::error file={_property(f'{folder}/{one.file}')},title={_property(one.kind)}::"
        f"{_message(f'{one.message} ({one.hint})')}"
        for one in found
    )


def drift_sarif(found: Sequence[Drift], folder: str, version: str) -> str:
    """The differences as a SARIF 2.1.0 log, which code scanning reads."""
    kinds = sorted({one.kind for one in found})
    rules = [{"id": kind, "shortDescription": {"text": kind.replace("-", " ")}} for kind in kinds]
    results = [_sarif_result(one, folder) for one in found]
    driver = {"name": "stackplan", "version": version, "rules": rules}
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=2, ensure_ascii=False)


def _sarif_result(one: Drift, folder: str) -> dict[str, Any]:
    """One result. GitHub wants a line, and a fingerprint that tells two results of one file apart."""
    place = {"artifactLocation": {"uri": quote(f"{folder}/{one.file}")}, "region": {"startLine": 1}}
    fingerprint = hashlib.sha256(f"{one.kind} {one.file} {one.subject}".encode()).hexdigest()
    return {
        "ruleId": one.kind,
        "level": "error",
        "message": {"text": f"{one.message}. {one.hint}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"drift/v1": fingerprint},
    }


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
