"""Ollama's HOT models, loaded for good once their server answers: it would load each at its first request only.

``keep_alive`` -1 is a number, the text "-1" is refused; an embedding model refuses ``generate``, an empty input just
loads it (docs/targets.md, ``pull.sh`` does the same).
"""

import http.client
import json
from collections.abc import Iterable

from stackplan.plan import Plan, ServedRole
from stackplan.render.endpoints import ollama_name
from stackplan.render.native import LOOPBACK
from stackplan.render.servers import HOT, OLLAMA
from stackplan.running.units import Unit

_LARGEST_ANSWER_BYTES = 1 << 22


def load_hot(plan: Plan, units: Iterable[Unit]) -> list[str]:
    """Load every HOT model of Ollama's servers that is there; the names of those that are not made or did not load."""
    missing = []
    for unit in units:
        if unit.engine != OLLAMA or unit.tier != HOT:
            continue
        made = {str(one.get("name", "")).removesuffix(":latest") for one in _models(unit)}
        for role in (role for name in unit.instances for role in plan.roles_of(name)):
            name = ollama_name(role.role)
            if name not in made or not _load(unit, role, name):
                missing.append(name)
    return missing


def _models(unit: Unit) -> list[dict[str, object]]:
    found = _ask(unit, "GET", "/api/tags", None, 10)
    models = found.get("models") if found else None
    return [one for one in models if isinstance(one, dict)] if isinstance(models, list) else []


def _load(unit: Unit, role: ServedRole, name: str) -> bool:
    body: dict[str, object] = {"model": name, "keep_alive": -1}
    path, more = ("/api/embed", {"input": ""}) if role.mode == "embedding" else ("/api/generate", {"stream": False})
    return _ask(unit, "POST", path, {**body, **more}, unit.start_seconds) is not None


def _ask(unit: Unit, method: str, path: str, body: object, seconds: float) -> dict[str, object] | None:
    """The answer, None when there is none or it is an error."""
    connection = http.client.HTTPConnection(LOOPBACK, unit.port, timeout=seconds)
    try:
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found = json.loads(answer.read(_LARGEST_ANSWER_BYTES))
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
    return found if answer.status == 200 and isinstance(found, dict) and "error" not in found else None
