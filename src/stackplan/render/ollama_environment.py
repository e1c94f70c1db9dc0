"""Settings of an Ollama server: those that cost memory are the server's, not the model's."""

from stackplan.render.servers import COLD, HOT, WARM, Server

KEEP_ALIVE = {HOT: "-1", WARM: "30m", COLD: "2m"}


def ollama_environment(server: Server) -> dict[str, str]:
    """Environment variables of an Ollama server (envconfig of 0.32), each set so that no default decides."""
    first = server.members[0]
    return {
        "OLLAMA_KEEP_ALIVE": KEEP_ALIVE[server.tier],
        "OLLAMA_MAX_LOADED_MODELS": str(server.resident),
        "OLLAMA_NUM_PARALLEL": str(first.slots),
        "OLLAMA_CONTEXT_LENGTH": str(max(member.context_tokens for member in server.members)),
        "OLLAMA_FLASH_ATTENTION": "0" if first.flash_attention == "off" else "1",
        "OLLAMA_KV_CACHE_TYPE": first.kv_type,
        "OLLAMA_NO_CLOUD": "1",
    }
