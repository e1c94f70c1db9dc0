"""Target ``env``: ``.env.example`` with the names of what the user has to fill in, never a value that is secret."""

from stackplan.plan import Plan
from stackplan.render.documents import HEADER
from stackplan.render.overlays import compose_files
from stackplan.render.servers import is_macos


def render(plan: Plan) -> dict[str, str]:
    """``.env.example``: copy it to ``.env`` and fill it in."""
    keys = ["LITELLM_MASTER_KEY", *sorted({fallback.key_variable for fallback in plan.fallbacks})]
    lines = [f"# {HEADER}", "# Copy to .env and fill in; .env is never written or read by stackplan."]
    if not is_macos(plan):
        lines += ["COMPOSE_PATH_SEPARATOR=:", f"COMPOSE_FILE={':'.join(compose_files(plan))}"]
    lines += [
        "# The folder that holds the downloaded weights; unset means ~/.local/share/stackplan/models",
        "# STACKPLAN_MODELS=",
    ]
    lines += ["# A long random text that clients of the gateway send as their API key", "LITELLM_MASTER_KEY="]
    lines += ["# Only with Open WebUI: a long random text that signs its sessions", "WEBUI_SECRET_KEY="]
    lines += [f"{key}=" for key in keys[1:]]
    return {".env.example": "\n".join(lines) + "\n"}
