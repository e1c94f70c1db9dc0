"""What each engine's answers mean: recorded from the real programs, or as their documentation shows them.

llama-server, Ollama and LiteLLM were recorded (`python -m tests.verify.record`). vLLM, TEI, Infinity and Speaches are
after their documentation: their packages are gigabytes and no part of the tests.
"""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackplan.plan import Plan
from stackplan.render.servers import Server, servers
from stackplan.values import replace
from stackplan.verify import gateway
from stackplan.verify.engines import ENGINES
from stackplan.verify.exchange import Reply
from stackplan.verify.observation import GatewaySeen, Heard, ModelSeen, ServerSeen
from stackplan.verify.role_answer import answer_seen
from tests.render.plans import LLAMA_CPP, OLLAMA, PLANS, gguf, host, instance, plan, tag
from tests.verify.replies import SILENT, answering, ok, recorded

BASE = "http://127.0.0.1:1"


def llama_plan() -> Plan:
    """The stack that was recorded: a single server, and a router of two."""
    chat, red, blue = (gguf(name, "F32") for name in ("mid-chat", "mid-red", "mid-blue"))
    warm = {"tier": "warm", "swap_group": "warm-cpu", "place": (), "context_tokens": 65536}
    served = (
        (instance(chat, "llama.cpp", 8001, place=(), context_tokens=65536, slots=2), ("worker",)),
        (instance(red, "llama.cpp", 8002, **warm), ("code",)),
        (instance(blue, "llama.cpp", 8003, **warm), ("math",)),
    )
    return plan("recorded", host("recorded"), (chat, red, blue), served, (LLAMA_CPP,))


def ollama_plan() -> Plan:
    chat, embed = tag("chat", "chat:1", 0.001), tag("embed", "embed:1", 0.001)
    served = (
        (instance(chat, "ollama", 8001, place=(), context_tokens=256), ("worker",)),
        (instance(embed, "ollama", 8002, place=(), context_tokens=256, mode="embedding"), ("embedding",)),
    )
    return plan("recorded", host("recorded"), (chat, embed), served, (OLLAMA,))


def server(of: Plan, name: str) -> Server:
    return next(one for one in servers(of) if one.id == name)


def seen(of: Plan, name: str, replies: dict[str, Reply]) -> ServerSeen:
    one = server(of, name)
    return ENGINES[one.engine](of, one, BASE, answering(replies))


def llama_replies(kind: str) -> dict[str, Reply]:
    found = recorded("llama_cpp")
    return {name.removeprefix(f"{kind} "): reply for name, reply in found.items() if name.startswith(f"{kind} ")}


def test_a_single_llama_server_tells_context_slots_and_weights() -> None:
    (model,) = seen(llama_plan(), "mid-chat", llama_replies("single")).models
    assert model == ModelSeen(
        "mid-chat",
        loaded=True,
        state="loaded",
        context_tokens=65536,
        slots=2,
        weights_bytes=5778432,
        marker="mid-chat",
    )


def test_a_router_tells_which_member_is_loaded_and_that_it_sleeps_when_idle() -> None:
    red, blue = seen(llama_plan(), "warm-cpu", llama_replies("router")).models
    assert (red.instance, red.loaded, red.context_tokens, red.pinned) == ("mid-red", True, 65536, False)
    assert blue == ModelSeen("mid-blue", loaded=False, state="unloaded")


def test_asking_a_router_about_a_model_does_not_load_it() -> None:
    refused = recorded("llama_cpp")["router refused"]
    assert refused.status == 400
    assert b"not loaded" in refused.body


def test_ollama_tells_size_context_and_how_long_a_model_stays() -> None:
    of = ollama_plan()
    told = [model for one in servers(of) for model in seen(of, one.id, recorded("ollama")).models]
    worker, embedding = told
    assert (worker.loaded, worker.context_tokens, worker.pinned, worker.device_bytes) == (True, 256, True, 0)
    assert worker.total_bytes == 503315
    assert worker.marker.startswith("/var/lib/ollama/models/blobs/sha256-")
    assert (embedding.pinned, embedding.vector_dimensions) == (False, 32)


def test_ollama_without_the_model_of_a_role_says_so() -> None:
    of = ollama_plan()
    roles = (replace(of.roles[0], role="nobody"), of.roles[1])
    (name,) = [one.id for one in servers(of) if "chat" in {member.id for member in one.members}]
    told = seen(replace(of, roles=roles), name, recorded("ollama"))
    model = told.model("chat")
    assert model is not None
    assert (model.loaded, model.problem) == (False, "its server has no model stackplan-nobody")


def test_a_gateway_tells_its_roles_to_who_has_the_key() -> None:
    replies = recorded("litellm")
    assert gateway.observe(BASE, "sk-x", answering(replies)) == GatewaySeen(
        Heard.ANSWERED, roles=("code", "embedding", "math", "reranker", "worker")
    )
    assert gateway.observe(BASE, "", answering(replies)).roles is None
    wrong = gateway.observe(BASE, "sk-x", answering(replies | {"/v1/models": replies["no key"]}))
    assert (wrong.heard, wrong.problem) == (Heard.STRANGE, "/v1/models: HTTP 500")


@pytest.mark.parametrize(
    ("role", "mode", "dimensions"),
    [("worker", "chat", None), ("embedding", "embedding", 256), ("reranker", "rerank", None)],
)
def test_recorded_answers_of_roles_are_answers(role: str, mode: str, dimensions: int | None) -> None:
    own = answer_seen(role, mode, recorded("llama_cpp")[f"role {role}"], gateway=False)
    through = answer_seen(role, mode, recorded("litellm")[f"role {role}"], gateway=True)
    assert (own.heard, own.dimensions) == (through.heard, through.dimensions) == (Heard.ANSWERED, dimensions)
    assert through.answered_by == f"{role}-local"


VLLM_METRICS = (
    "# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig\n"
    'vllm:cache_config_info{block_size="16",cache_dtype="auto",num_gpu_blocks="8192",sliding_window="None"} 1.0\n'
)
DOCUMENTED: dict[str, tuple[str, dict[str, Reply], ModelSeen]] = {
    "vLLM": (
        "generator-14b",
        {
            "/v1/models": ok({"data": [{"id": "generator-14b", "max_model_len": 16384}]}),
            "/metrics": ok(VLLM_METRICS),
        },
        ModelSeen(
            "generator-14b", loaded=True, state="loaded", context_tokens=16384, cache_tokens=131072, pinned=True,
            marker="generator-14b",
        ),
    ),
    "TEI": (
        "bge-m",
        {"/info": ok({"model_id": "/models/example-org/bge-m", "max_input_length": 8192, "version": "1.9.3"})},
        ModelSeen(
            "bge-m", loaded=True, state="loaded", context_tokens=8192, pinned=True, marker="/models/example-org/bge-m"
        ),
    ),
    "Infinity": (
        "mini-rerank",
        {"/models": ok({"data": [{"id": "mini-rerank", "stats": {}, "backend": "torch"}]})},
        ModelSeen("mini-rerank", loaded=True, state="loaded", pinned=True, marker="mini-rerank"),
    ),
    "Speaches": (
        "whisper-turbo",
        {"/api/ps": ok({"models": ["example-org/faster-whisper-turbo"]})},
        ModelSeen("whisper-turbo", loaded=True, state="loaded", marker="speaches.main:create_app"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("engine", DOCUMENTED)
def test_documented_answers_are_understood(engine: str) -> None:
    name, replies, wanted = DOCUMENTED[engine]
    assert seen(PLANS["services"], name, replies).models == (wanted,)


def test_vllm_may_tell_the_size_of_its_cache_in_tokens() -> None:
    name, replies, _ = DOCUMENTED["vLLM"]
    text = VLLM_METRICS.replace("cache_dtype", 'kv_cache_size_tokens="99",cache_dtype')
    (model,) = seen(PLANS["services"], name, replies | {"/metrics": ok(text)}).models
    assert model.cache_tokens == 99


@pytest.mark.parametrize("engine", DOCUMENTED)
def test_a_server_with_another_model_is_noticed(engine: str) -> None:
    others = {
        "/v1/models": ok({"data": [{"id": "other"}]}),
        "/info": ok({"model_id": "org/other"}),
        "/models": ok({"data": [{"id": "other"}]}),
        "/api/ps": ok({"models": ["org/other"]}),
    }
    name, _, _ = DOCUMENTED[engine]
    (model,) = seen(PLANS["services"], name, others).models
    assert model.loaded is False


def every_server() -> Iterator[tuple[Plan, str]]:
    for of in (PLANS["services"], llama_plan(), ollama_plan()):
        yield from ((of, one.id) for one in servers(of))


GARBAGE: dict[str, Reply] = {
    "nothing": ok(b""),
    "no JSON": ok("<html>It works!</html>"),
    "a number": ok("7"),
    "null": ok("null"),
    "a list": ok([[], {}, 1]),
    "an empty object": ok({}),
    "nested too deep": ok("[" * 100_000),
    "a list where an object belongs": ok({"models": [1, None], "data": [1, None]}),
    "an object where a list belongs": ok({"models": {"a": 1}, "data": {"a": 1}}),
    "values of the wrong kind": ok({"data": [{"id": 7, "status": [], "meta": 1}], "models": 7, "model_id": {}}),
    "an error": ok({"error": {"message": "no"}}, 500),
    "an error that is text": ok({"error": "no"}, 404),
    "a redirect": ok("", 302),
    "no text at all": ok(bytes(range(256))),
}


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize(
    ("of", "name"), list(every_server()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_garbage_is_never_taken_for_a_loaded_model(of: Plan, name: str, garbage: str) -> None:
    one = server(of, name)
    told = ENGINES[one.engine](of, one, BASE, lambda _question: GARBAGE[garbage])
    assert not any(model.loaded for model in told.models)


@pytest.mark.parametrize(
    ("of", "name"), list(every_server()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_silence_is_told_as_silence(of: Plan, name: str) -> None:
    assert seen(of, name, {}) == ServerSeen(name, Heard.SILENT, SILENT.problem)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "models",
                    "id",
                    "name",
                    "status",
                    "value",
                    "args",
                    "meta",
                    "size",
                    "n_ctx",
                    "expires_at",
                    "choices",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(value=VALUES, which=st.integers(0, 99))
def test_whatever_json_comes_is_a_value(value: object, which: int) -> None:
    cases = list(every_server())
    of, name = cases[which % len(cases)]
    one = server(of, name)
    reply = ok(value)
    told = ENGINES[one.engine](of, one, BASE, lambda _question: reply)
    assert told.server == name
    for mode in ("chat", "embedding", "rerank", "audio_transcription"):
        assert answer_seen("r", mode, reply, gateway=True).role == "r"
    assert gateway.observe(BASE, "k", lambda _question: reply).heard in Heard
