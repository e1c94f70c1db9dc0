"""Target ``open-webui``: the web interface as a compose overlay, each of its jobs given to a role of the plan."""

from typing import Any

from stackplan.plan import Plan
from stackplan.render.compose_services import hardening
from stackplan.render.documents import to_yaml
from stackplan.render.endpoints import free_port
from stackplan.render.images import program_image

CONTAINER_PORT = 8080
_FIRST_PORT = 3080
_GATEWAY = "http://gateway:4000/v1"
_KEY = "${LITELLM_MASTER_KEY:?set it in .env, see .env.example}"
_TASK_ROLES = ("helper", "front-door", "watchdog")


def render(plan: Plan) -> dict[str, str]:
    """``compose.open-webui.yaml``, to be named after the other compose files."""
    return {"compose.open-webui.yaml": to_yaml({"services": {"open-webui": _service(plan)}, "volumes": _VOLUMES})}


_VOLUMES: dict[str, dict[str, str]] = {"open-webui-data": {}}


def _service(plan: Plan) -> dict[str, Any]:
    return {
        "image": program_image(plan, "open-webui"),
        "environment": environment(plan),
        "ports": [f"127.0.0.1:{free_port(plan, _FIRST_PORT)}:{CONTAINER_PORT}"],
        "volumes": [{"type": "volume", "source": "open-webui-data", "target": "/app/backend/data"}],
        "depends_on": {"gateway": {"condition": "service_started"}},
        "healthcheck": {
            "test": ["CMD", "curl", "-fsS", f"http://127.0.0.1:{CONTAINER_PORT}/health"],
            "interval": "30s",
            "timeout": "5s",
            "retries": 5,
            "start_period": "300s",
        },
        **hardening(),
    }


def environment(plan: Plan) -> dict[str, str]:
    """Open WebUI's settings (v0.12); without the last one its database wins after the first start."""
    return {
        "WEBUI_SECRET_KEY": "${WEBUI_SECRET_KEY:?set it in .env, see .env.example}",
        "ENABLE_OLLAMA_API": "False",
        "OPENAI_API_BASE_URLS": _GATEWAY,
        "OPENAI_API_KEYS": _KEY,
        **_task(plan),
        **_embedding(plan),
        **_rerank(plan),
        **_speech(plan),
        "ENABLE_PERSISTENT_CONFIG": "False",
    }


def _first(plan: Plan, mode: str) -> str | None:
    return next((role.role for role in plan.roles if role.mode == mode), None)


def _task(plan: Plan) -> dict[str, str]:
    roles = {role.role for role in plan.roles}
    name = next((role for role in _TASK_ROLES if role in roles), None)
    return {"TASK_MODEL_EXTERNAL": name} if name else {}


def _embedding(plan: Plan) -> dict[str, str]:
    name = _first(plan, "embedding")
    if name is None:
        return {}
    return {
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_OPENAI_API_BASE_URL": _GATEWAY,
        "RAG_OPENAI_API_KEY": _KEY,
        "RAG_EMBEDDING_MODEL": name,
    }


def _rerank(plan: Plan) -> dict[str, str]:
    name = _first(plan, "rerank")
    if name is None:
        return {}
    return {
        "ENABLE_RAG_HYBRID_SEARCH": "True",
        "RAG_RERANKING_ENGINE": "external",
        "RAG_EXTERNAL_RERANKER_URL": f"{_GATEWAY}/rerank",  # the full path, unlike the others
        "RAG_EXTERNAL_RERANKER_API_KEY": _KEY,
        "RAG_RERANKING_MODEL": name,
    }


def _speech(plan: Plan) -> dict[str, str]:
    name = _first(plan, "audio_transcription")
    if name is None:
        return {}
    return {
        "AUDIO_STT_ENGINE": "openai",
        "AUDIO_STT_OPENAI_API_BASE_URL": _GATEWAY,
        "AUDIO_STT_OPENAI_API_KEY": _KEY,
        "AUDIO_STT_MODEL": name,
    }
