"""Target ``prometheus``: scrape what has metrics, and nothing that a scrape would load.

Scraping a router's or a sleeping model's metrics wakes it, so only HOT servers are asked. Ollama
and Speaches have none.
"""

from typing import Any

from stackplan.plan import Plan
from stackplan.render.documents import to_yaml
from stackplan.render.servers import HOT, INFINITY, LLAMA_CPP, TEI, VLLM, servers

_MEASURED = (LLAMA_CPP, VLLM, TEI, INFINITY)


def render(plan: Plan) -> dict[str, str]:
    """``prometheus/prometheus.yml``; nothing when no HOT server has metrics."""
    measured = [server for server in servers(plan) if server.engine in _MEASURED and server.tier == HOT]
    if not measured:
        return {}
    document: dict[str, Any] = {
        "global": {"scrape_interval": "30s"},
        "scrape_configs": [
            {
                "job_name": server.id,
                "metrics_path": "/metrics",
                "static_configs": [{"targets": [f"127.0.0.1:{server.port}"], "labels": {"engine": server.engine}}],
            }
            for server in measured
        ],
    }
    return {"prometheus/prometheus.yml": to_yaml(document)}
