"""What vLLM tells (0.26): ``/v1/models`` name and context, ``/metrics`` how many tokens its cache takes.

Its metrics are Prometheus text: ``vllm:cache_config_info{block_size="16",num_gpu_blocks="1234",...} 1.0``.
"""

import re

from stackplan.plan import Plan
from stackplan.render.servers import Server
from stackplan.verify.exchange import Ask, Question, complaint, entry, rows, whole, words
from stackplan.verify.observation import Heard, ModelSeen, ServerSeen

_CACHE = re.compile(r"^vllm:cache_config_info\{([^}\n]{0,4000})\}", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="(\d{1,15})"')
_LONGEST_METRICS = 4 * 1024**2


def observe(plan: Plan, server: Server, base: str, ask: Ask) -> ServerSeen:  # noqa: ARG001  (as every engine)
    """The server and its one model."""
    member = server.members[0]
    reply = ask(Question(base, "/v1/models"))
    if reply.heard is not Heard.ANSWERED:
        return ServerSeen(server.id, reply.heard, reply.problem)
    listed = {words(row.get("id")): row for row in rows(entry(reply.json(), "data"))}
    if not reply.is_ok or not listed:
        return ServerSeen(server.id, Heard.STRANGE, f"/v1/models is not vLLM's: {complaint(reply)}")
    row = listed.get(member.id)
    if row is None:
        others = ModelSeen(member.id, loaded=False, problem=f"its server serves {', '.join(sorted(listed))[:80]}")
        return ServerSeen(server.id, Heard.ANSWERED, models=(others,))
    model = ModelSeen(
        member.id,
        loaded=True,
        state="loaded",
        context_tokens=whole(row.get("max_model_len")),
        cache_tokens=_cache_tokens(base, ask),
        pinned=True,  # it has no idle timer
        marker=member.id,
    )
    return ServerSeen(server.id, Heard.ANSWERED, models=(model,))


def _cache_tokens(base: str, ask: Ask) -> int | None:
    reply = ask(Question(base, "/metrics"))
    text = reply.body[:_LONGEST_METRICS].decode(errors="replace") if reply.is_ok else ""
    found = _CACHE.search(text)
    labels = dict(_LABEL.findall(found[1])) if found else {}
    if "kv_cache_size_tokens" in labels:  # newer versions; right for models with several kinds of layers too
        return int(labels["kv_cache_size_tokens"])
    blocks, size = labels.get("num_gpu_blocks"), labels.get("block_size")
    return int(blocks) * int(size) if blocks and size else None
