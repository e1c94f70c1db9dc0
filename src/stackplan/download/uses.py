"""Which locks a models folder serves, so that `prune` knows what is still needed."""

import hashlib
import json
from pathlib import Path

from stackplan.download.places import Places


def remember_use(places: Places, lock_file: Path) -> None:
    """Note that the lock at ``lock_file`` needs what is in the models folder."""
    path = str(lock_file.absolute())
    folder = places.own / "uses"
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(path.encode()).hexdigest()[:16]
    (folder / f"{name}.json").write_text(json.dumps({"lock": path}) + "\n", encoding="utf-8")


def known_uses(places: Places) -> tuple[Path, ...]:
    """The locks that were noted, sorted; some may be gone."""
    found = []
    for note in sorted((places.own / "uses").glob("*.json")):
        try:
            found.append(Path(str(json.loads(note.read_text(encoding="utf-8"))["lock"])))
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue
    return tuple(sorted(found))
