"""A machine in a file in place of this one, for every verb with ``--host``."""

import json
from pathlib import Path

from stackplan.errors import UserError
from stackplan.hardware import Host

_GZIP = b"\x1f\x8b"
_LONGEST = 16 * 1024 * 1024


def described_host(path: Path) -> Host:
    """The machine that `stackplan detect` described, as JSON or as a recording. Raises `UserError`."""
    from stackplan.host_json import host_from_json  # noqa: PLC0415

    try:
        with path.open("rb") as stream:
            content = stream.read(_LONGEST)
        if content.startswith(_GZIP):
            from stackplan.detect import replay_host  # noqa: PLC0415

            return replay_host(path)
        return host_from_json(json.loads(content))
    except (OSError, ValueError, RecursionError) as error:
        hint = "write one with: stackplan detect --json > machine.json"
        raise UserError(f"{path} is not a machine's JSON: {error}", hint=hint, slug="bad-host") from error
