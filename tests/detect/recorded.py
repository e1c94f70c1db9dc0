"""Turn a world of ``worlds/*.yaml`` into a recording on disk, as `stackplan detect --record` writes it."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import yaml

WORLDS = Path(__file__).parent / "worlds"
MEMINFO = "MemTotal: {0} kB\nMemFree: {1} kB\nMemAvailable: {1} kB\nSwapTotal: 0 kB\n"


def cases() -> list[dict[str, Any]]:
    """Every case of every file; a world is what a machine says, ``reads`` what detection must make of it."""
    found = []
    for path in sorted(WORLDS.glob("*.yaml")):
        found += [{**case, "file": path.stem} for case in yaml.safe_load(path.read_text(encoding="utf-8"))]
    return found


def write_probe(path: Path, world: dict[str, Any]) -> Path:
    """Pack ``world`` into a recording at ``path``."""
    files = dict(world.get("files", {}))
    if "meminfo_kib" in world:
        files["/proc/meminfo"] = MEMINFO.format(*world["meminfo_kib"])
    probe = {"format": "stackplan-probe", "version": 1}
    probe.update({key: value for key, value in world.items() if key not in ("files", "meminfo_kib")})
    members = {"probe.json": json.dumps(probe), **{f"files{name}": text for name, text in files.items()}}
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path
