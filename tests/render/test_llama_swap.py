"""llama-swap ignores unknown keys and names, so every reference is checked; by the program too where it is at hand.

No package holds it, and proxy.golang.org answered that its module is not available (2026-11-21). What a matrix does is
walked through by the rules of its documentation (v250, internal/matrix/doc.go): of the combinations that hold the
requested model, the one that stops least of what runs.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.render.conftest import write
from tests.render.plans import dual_24gb, services_stack, single_24gb

from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.values import replace

# Keys and limits of config-schema.json, llama-swap v250 (2026-08). It ignores what it does not know.
TOP_KEYS = {"healthCheckTimeout", "startPort", "models", "routing", "hooks"}
MODEL_KEYS = {"cmd", "ttl", "aliases", "env"}
VARIABLE = re.compile(r"[a-zA-Z0-9]{1,8}")


def config(plan: Plan) -> dict:
    return yaml.safe_load(render_plan(plan, ["llama-swap"])["llama-swap/config.yaml"])


def has_llama(plan: Plan) -> bool:
    return any(one.engine == "llama.cpp" for one in plan.instances)


def combinations(expression: str) -> set[frozenset[str]]:
    """Every full combination that an expression of & | ( ) allows."""
    tokens = re.findall(r"[a-zA-Z0-9]+|[&|()]", expression)

    def either(at: int) -> tuple[set[frozenset[str]], int]:
        found, at = both(at)
        while at < len(tokens) and tokens[at] == "|":
            more, at = both(at + 1)
            found = found | more
        return found, at

    def both(at: int) -> tuple[set[frozenset[str]], int]:
        found, at = one(at)
        while at < len(tokens) and tokens[at] == "&":
            more, at = one(at + 1)
            found = {left | right for left in found for right in more}
        return found, at

    def one(at: int) -> tuple[set[frozenset[str]], int]:
        if tokens[at] == "(":
            found, at = either(at + 1)
            assert tokens[at] == ")"
            return found, at + 1
        return {frozenset([tokens[at]])}, at + 1

    found, at = either(0)
    assert at == len(tokens)
    return found


def test_keys_and_limits_are_the_schemas(plan: Plan) -> None:
    if not has_llama(plan):
        assert "llama-swap/config.yaml" not in render_plan(plan, ["llama-swap"])
        return
    document = config(plan)
    assert document.keys() <= TOP_KEYS
    assert document["healthCheckTimeout"] >= 15
    assert all(model.keys() <= MODEL_KEYS for model in document["models"].values())
    assert all(VARIABLE.fullmatch(name) for name in document["routing"]["router"]["settings"]["matrix"]["vars"])


def test_every_reference_is_a_model_and_every_model_is_in_a_set(plan: Plan) -> None:
    if not has_llama(plan):
        return
    document = config(plan)
    matrix = document["routing"]["router"]["settings"]["matrix"]
    assert set(matrix["vars"].values()) == document["models"].keys()
    used = {
        name
        for expression in matrix["sets"].values()
        for combination in combinations(expression)
        for name in combination
    }
    assert used == matrix["vars"].keys()
    assert set(document.get("hooks", {}).get("on_startup", {}).get("preload", [])) <= document["models"].keys()
    aliases = [alias for model in document["models"].values() for alias in model.get("aliases", [])]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & document["models"].keys()


def test_hot_models_are_in_every_combination_and_warm_ones_take_turns() -> None:
    document = config(single_24gb())
    matrix = document["routing"]["router"]["settings"]["matrix"]
    names = {model: name for name, model in matrix["vars"].items()}
    hot = {names["worker-32b"], names["embedder"], names["reranker"]}
    eye, maths, giant = names["eye-4b"], names["maths-7b"], names["giant-120b"]
    for expression in matrix["sets"].values():
        for combination in combinations(expression):
            assert hot <= combination
            assert len(combination & {eye, maths, giant}) == 1
    assert document["hooks"]["on_startup"]["preload"] == ["worker-32b", "embedder", "reranker"]


def walked(document: dict, requested: list[str]) -> list[set[str]]:
    """Which models run after each request, HOT ones first of all."""
    matrix = document["routing"]["router"]["settings"]["matrix"]
    allowed = [
        {matrix["vars"][name] for name in combination}
        for expression in matrix["sets"].values()
        for combination in combinations(expression)
    ]
    running: set[str] = set()
    seen = []
    for model in [*document.get("hooks", {}).get("on_startup", {}).get("preload", []), *requested]:
        if model not in running:
            chosen = min((one for one in allowed if model in one), key=lambda one: len(running - one))
            running = (running & chosen) | {model}
        seen.append(set(running))
    return seen


@settings(max_examples=60)
@given(data=st.data())
def test_no_request_ever_stops_a_hot_model_or_loads_two_of_a_swap_group(data: st.DataObject) -> None:
    plan = data.draw(st.sampled_from([single_24gb(), dual_24gb()]))
    document = config(plan)
    requests = data.draw(st.lists(st.sampled_from(sorted(document["models"])), max_size=12))
    hot = set(document.get("hooks", {}).get("on_startup", {}).get("preload", []))
    for running in walked(document, requests)[len(hot) :]:
        assert hot <= running
        groups = [plan.instance(name).swap_group for name in running if plan.instance(name).swap_group]
        assert len(groups) == len(set(groups))
        assert sum(plan.instance(name).tier == "cold" for name in running) <= 1


STAND_IN = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.answer()
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0)); self.answer()
    def answer(self):
        body = json.dumps({"choices": [], "object": "chat.completion"}).encode()
        self.send_response(200); self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def asked(port: int, path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    end = time.monotonic() + 60
    while True:
        try:
            request = Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
            with urlopen(request, timeout=60) as answer:  # noqa: S310
                return dict(json.load(answer))
        except (URLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


@pytest.mark.slow
def test_the_program_itself_keeps_hot_models_and_takes_turns(tmp_path: Path) -> None:
    """Real llama-swap with the rendered configuration; behind it small servers in the place of llama-server."""
    program = os.environ.get("LLAMA_SWAP_BIN") or shutil.which("llama-swap")
    if not program:
        pytest.skip("no llama-swap: set LLAMA_SWAP_BIN to the program; own rules judge the file")
    document = config(single_24gb())
    stand_in = write(tmp_path, {"stand_in.py": STAND_IN}) / "stand_in.py"
    for model in document["models"].values():
        model["cmd"] = f"{sys.executable} {stand_in} ${{PORT}}"
    path = write(tmp_path, {"config.yaml": yaml.safe_dump(document, sort_keys=False)}) / "config.yaml"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "-config", str(path), "-listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        hot = {"worker-32b", "embedder", "reranker"}
        for name in (*sorted(hot), "eye-4b", "maths-7b", "giant-120b", "eye-4b"):
            asked(port, "/v1/chat/completions", {"model": name, "messages": []})
            running = {row["model"] for row in asked(port, "/running")["running"]}
            assert running - hot <= {name}
            assert name in running
        assert hot <= running
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_commands_listen_on_loopback_at_the_port_that_llama_swap_gives() -> None:
    for model in config(dual_24gb())["models"].values():
        words = shlex.split(model["cmd"])
        assert words[0] == "llama-server"
        assert words[-2:] == ["--port", "${PORT}"]
        assert words[words.index("--host") + 1] == "127.0.0.1"


def test_names_with_colons_and_slashes_get_short_names() -> None:
    plan = single_24gb()
    renamed = tuple(replace(one, id=f"org/{one.id}:q4") for one in plan.instances)
    roles = tuple(replace(role, instance=f"org/{role.instance}:q4") for role in plan.roles)
    document = config(replace(plan, instances=renamed, roles=roles))
    assert "org/worker-32b:q4" in document["models"]
    assert all(VARIABLE.fullmatch(name) for name in document["routing"]["router"]["settings"]["matrix"]["vars"])


def test_a_stack_without_llama_cpp_has_no_file() -> None:
    assert render_plan(services_stack(), ["llama-swap"]) == {}
