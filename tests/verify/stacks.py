"""A stack of made-up models whose plan is what the estimator says of their files, and the real servers that run it."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stackplan.cli.estimate_source import sized_source
from stackplan.estimate.engines import answer
from stackplan.estimate.question import Question
from stackplan.plan import Instance, Plan, PlannedArtifact, PlannedDemand
from stackplan.render import render_plan
from stackplan.render.native import command
from stackplan.render.servers import Server, servers
from stackplan.serving import Estimate, Placement, Serving
from stackplan.values import replace
from tests.render.conftest import clean_environment, write
from tests.render.plans import LLAMA_CPP, gguf, host, instance, plan
from tests.render.test_running import ask, free_ports
from tests.render.tiny_gguf import Shape, chat_model, encoder

# Cache (4 KiB a token) and position tables (1 KiB each) outweigh the process that holds them.
SHAPE = Shape(width=256, feed_forward=512, blocks=2, heads=4, context=131072)
NAMES = ("mid-chat", "mid-embed", "mid-rank", "mid-red", "mid-blue")


def made_stack(folder: Path) -> Plan:
    """Files, plan and rendered tree in ``folder``: three HOT models and two WARM ones that take turns."""
    files = {name: folder / "models" / f"example-org/{name}-GGUF/{name}-F32.gguf" for name in NAMES}
    for name, path in files.items():
        if name in ("mid-embed", "mid-rank"):
            encoder(path, reranks=name == "mid-rank", shape=SHAPE)
        else:
            chat_model(path, shape=SHAPE)
    chat, embed, rank, red, blue = artifacts = tuple(
        replace(gguf(name, "F32"), file_bytes=path.stat().st_size) for name, path in files.items()
    )
    ports = free_ports(6)
    warm = {"context_tokens": 65536, "tier": "warm", "swap_group": "warm-cpu"}
    short = {"context_tokens": 512, "micro_batch_tokens": 512}
    served = (
        (_instance(files, chat, ports[0], context_tokens=65536, slots=2), ("worker",)),
        (_instance(files, embed, ports[1], mode="embedding", pooling="mean", **short), ("embedding",)),
        (_instance(files, rank, ports[2], mode="rerank", **short), ("reranker",)),
        (_instance(files, red, ports[3], **warm), ("code",)),
        (_instance(files, blue, ports[4], **warm), ("math",)),
    )
    made = plan("made-up", host("made-up", threads=4), artifacts, served, (LLAMA_CPP,))
    made = replace(made, gateway_port=ports[5])
    write(folder / "deploy", render_plan(made, ["plan", "llama.cpp", "litellm"]))
    return made


def one_model(folder: Path, server: Path, quantisation: str) -> Plan:
    """A chat model whose weights llama.cpp's own quantiser wrote, and the plan of it."""
    artifact = gguf(f"quantised-{quantisation.lower()}", quantisation)
    file = folder / "models" / artifact.repository / artifact.files[0]
    chat_model(folder / "f32.gguf", shape=Shape(width=1024, feed_forward=4096, blocks=4, heads=8, context=8192))
    file.parent.mkdir(parents=True)
    environment = clean_environment(LD_LIBRARY_PATH=os.environ.get("LD_LIBRARY_PATH", ""))
    words = [server.with_name("llama-quantize"), folder / "f32.gguf", file, quantisation]
    subprocess.run(words, env=environment, capture_output=True, check=True)
    artifact = replace(artifact, file_bytes=file.stat().st_size)
    of = _instance({artifact.model: file}, artifact, free_ports(1)[0], context_tokens=4096)
    made = plan("quantised", host("quantised", threads=4), (artifact,), ((of, ("worker",)),), (LLAMA_CPP,))
    write(folder / "deploy", render_plan(made, ["plan", "llama.cpp"]))
    return made


@dataclass(frozen=True)
class Case:
    """One model on one server: its shape, its words beside the bytes, and how it is served."""

    shape: Shape
    words: int = 0
    mode: str = "chat"
    context_tokens: int = 4096
    slots: int = 1


def served_as(folder: Path, case: Case) -> Plan:
    """A model made for the case, and the plan of it."""
    artifact = gguf("measured", "F32")
    file = folder / "models" / artifact.repository / artifact.files[0]
    more: dict[str, object] = {"context_tokens": case.context_tokens, "slots": case.slots}
    if case.mode == "chat":
        chat_model(file, shape=case.shape, words=case.words)
    else:
        encoder(file, reranks=case.mode == "rerank", shape=case.shape, words=case.words)
        more |= {"mode": case.mode, "micro_batch_tokens": case.context_tokens}
        more |= {"pooling": "mean"} if case.mode == "embedding" else {}
    artifact = replace(artifact, file_bytes=file.stat().st_size)
    of = _instance({artifact.model: file}, artifact, free_ports(1)[0], **more)
    made = plan("measured", host("measured", threads=4), (artifact,), ((of, ("worker",)),), (LLAMA_CPP,))
    write(folder / "deploy", render_plan(made, ["plan", "llama.cpp"]))
    return made


def use_wholly(of: Instance) -> None:
    """Ask for as much as the plan allows at once, in every slot: some memory is taken only then."""
    tokens = of.context_tokens - 24
    asked = {
        "chat": ("/completion", {"prompt": [5] * min(tokens, 2048), "n_predict": 4}),
        "embedding": ("/v1/embeddings", {"model": of.id, "input": "a b " * (tokens // 2)}),
        "rerank": ("/v1/rerank", {"model": of.id, "query": "c", "documents": ["a b " * (tokens // 2), "d"]}),
    }
    path, body = asked[of.mode]
    with ThreadPoolExecutor(of.slots) as pool:
        list(pool.map(lambda _: ask(of.port, path, body), range(2 * of.slots)))


def _instance(files: Mapping[str, Path], artifact: PlannedArtifact, port: int, **more: object) -> Instance:
    base = instance(artifact, "llama.cpp", port, place=(), kv_type="f16", cache_ram_bytes=0, **more)
    return replace(base, demand=(demand(files[artifact.model], base),), pooling=base.pooling)


def demand(file: Path, of: Instance) -> PlannedDemand:
    """What the estimator says of the file, served as the instance is."""
    sized = sized_source(str(file), "", "llama.cpp")
    assert sized.architecture is not None
    assert sized.weights is not None
    serving = Serving(
        of.total_context_tokens, of.slots, micro_batch_tokens=of.micro_batch_tokens, flash_attention="on",
        batch_tokens=max(2048, of.micro_batch_tokens), output_rows="slots" if of.mode == "chat" else "batch",
    )  # fmt: skip
    estimate = answer(of.engine, Question(sized.architecture, sized.weights, serving, Placement()))
    assert isinstance(estimate, Estimate), estimate
    (one,) = estimate.demands
    return PlannedDemand(
        "ram", one.weights_bytes, one.kv_bytes, one.state_bytes, one.compute_bytes, one.output_bytes,
        one.overhead_bytes, one.total_bytes,
    )  # fmt: skip


class Running:
    """The stack's real servers, each a process that a test may end or start otherwise."""

    def __init__(self, made: Plan, folder: Path, llama_server: Path) -> None:
        self.plan, self.folder, self.program = made, folder, llama_server
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def servers(self) -> dict[str, Server]:
        return {server.id: server for server in servers(self.plan)}

    def start(self, name: str, *more: str, **changed: str) -> None:
        """Start a server as the plan says; ``changed`` gives options another value, such as ``ctx_size="1024"``."""
        run = command(self.plan, self.servers[name])
        words = [*run.arguments, *more]
        for option, value in changed.items():
            words[words.index(f"--{option.replace('_', '-')}") + 1] = value
        if run.preset:
            words += ["--models-preset", str(self.folder / "deploy" / run.preset)]
        self._run(name, [str(self.program), *words], run.environment)

    def start_by_preset(self, name: str) -> None:
        """Start a server by the rendered script, which makes a router of it, and wait until its model is there."""
        home = {"STACKPLAN_HOME": str(self.folder), "LLAMA_SERVER": str(self.program)}
        self._run(name, ["bash", str(self.folder / "deploy/llama.cpp/serve.sh"), name], home)
        (row,) = ask(self.servers[name].port, "/models")["data"]
        while row["status"]["value"] != "loaded":
            time.sleep(0.1)
            (row,) = ask(self.servers[name].port, "/models")["data"]

    def start_crowded(self, name: str, guest: str) -> None:
        """Start a router in a server's place that has room for one model, load its own and then ``guest``."""
        llama_cpp = self.folder / "deploy/llama.cpp"
        presets = "\n".join(path.read_text(encoding="utf-8") for path in sorted(llama_cpp.glob("*.ini")))
        (self.folder / "crowded.ini").write_text(presets, encoding="utf-8")
        port = self.servers[name].port
        words = ["--host", "127.0.0.1", "--port", str(port), "--models-max", "1", "--models-preset"]
        self._run(name, [str(self.program), *words, str(self.folder / "crowded.ini")], {})
        for model in (name, guest):
            text = [{"role": "user", "content": "hello"}]
            ask(port, "/v1/chat/completions", {"model": model, "messages": text, "max_tokens": 1})

    def _run(self, name: str, words: list[str], more: Mapping[str, str]) -> None:
        environment = clean_environment(**more)
        environment["LD_LIBRARY_PATH"] = os.environ.get("LD_LIBRARY_PATH", "")
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(words, cwd=self.folder, env=environment, stdout=log, stderr=log)
        assert ask(self.servers[name].port, "/health") == {"status": "ok"}, (self.folder / f"{name}.log").read_text()

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        process.wait(timeout=30)

    def stop_all(self) -> None:
        for name in list(self.processes):
            self.stop(name)


@contextmanager
def litellm_proxy(program: Path, made: Plan, folder: Path, key: str) -> Iterator[None]:
    """The real gateway in front of the stack."""
    words = ["--config", folder / "deploy/litellm/config.yaml", "--host", "127.0.0.1", "--port", made.gateway_port]
    environment = clean_environment(LITELLM_MASTER_KEY=key, LITELLM_LOCAL_MODEL_COST_MAP="True")
    with (folder / "gateway.log").open("w") as log:
        process = subprocess.Popen(
            [str(program), *map(str, words)], env=environment, stdout=log, stderr=log, cwd=folder
        )
    try:
        started = time.monotonic()
        assert ask(made.gateway_port, "/v1/models", key=key, seconds=120), time.monotonic() - started
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
