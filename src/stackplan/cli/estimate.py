"""``stackplan estimate``: what serving a model takes, byte by byte."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackplan.cli.estimate_request import Request, bad, lines_of, request_of
from stackplan.errors import ExitCode, UserError
from stackplan.values import replace

if TYPE_CHECKING:
    from stackplan.cli.estimate_draft import Drafting
    from stackplan.cli.estimate_source import Sized
    from stackplan.hardware import Device, Host
    from stackplan.serving import Estimate, Placement, Serving
    from stackplan.views.estimate import Answer, Comparison

DEFAULT_CONTEXT_TOKENS = 8192
DEFAULT_TOKENS = 3  # llama-server proposes so many unless told otherwise (--spec-draft-n-max, b11434)
_MOST_PROPOSED = 64
_LARGEST = 2**40  # of any count that is asked for


def estimate(
    source: Annotated[
        str, typer.Argument(help="A model of the catalog, a GGUF, a repository, a config.json or a YAML record.")
    ] = "",
    quant: Annotated[str, typer.Option(help="Quantisation, such as Q4_K_M; sizes an F16 file or a config.")] = "",
    context: Annotated[int, typer.Option(help="Tokens over all slots, llama-server's -c; 0 takes 8192.")] = 0,
    kv: Annotated[str, typer.Option(help="Type of the KV cache; K/V for two, such as q8_0/f16.")] = "f16",
    parallel: Annotated[int, typer.Option(help="Slots, which divide the context unless --kv-unified.")] = 1,
    kv_unified: Annotated[bool, typer.Option("--kv-unified", help="One cache for all slots.")] = False,
    ubatch: Annotated[int, typer.Option(help="Tokens of a micro-batch.")] = 512,
    flash_attn: Annotated[str, typer.Option(help="on, off or auto.")] = "auto",
    gpu_layers: Annotated[str, typer.Option(help="Layers on GPUs, counted from the end, or all.")] = "all",
    n_cpu_moe: Annotated[int, typer.Option(help="Blocks whose experts stay in host memory.")] = 0,
    devices: Annotated[str, typer.Option(help="A profile, or devices such as 2x rtx-3090; without it the CPU.")] = "",
    engine: Annotated[str, typer.Option(help="llama.cpp, ollama, vllm, tei, infinity or speaches.")] = "llama.cpp",
    draft: Annotated[
        str, typer.Option(help="A model that proposes tokens: a source as above, or mtp for its own head.")
    ] = "",
    draft_tokens: Annotated[int, typer.Option(help="Tokens proposed per step; 0 takes the best, or 3.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    batch: Annotated[str, typer.Option(help="JSON Lines of the same arguments: a file, or - for stdin.")] = "",
    oracle: Annotated[bool, typer.Option("--oracle", help="Ask llama-fit-params too and show both.")] = False,
    llama_bin: Annotated[Path | None, typer.Option(help="Folder of llama-fit-params.")] = None,
) -> None:
    """Say what serving a model takes: weights, cache, state, buffers, output and overhead, by pool."""
    if batch:
        raise typer.Exit(_answer_lines(batch))
    if not source:
        raise UserError("nothing to estimate", hint="name a model, or give --batch FILE", slug="no-source")
    from stackplan.views.estimate import estimate_json, estimate_text  # noqa: PLC0415

    request = Request(
        source,
        quant,
        context,
        kv,
        parallel,
        kv_unified,
        ubatch,
        flash_attn,
        gpu_layers,
        n_cpu_moe,
        devices,
        engine,
        draft,
        draft_tokens,
    )
    answers = Answers()
    answer = answers.answer(request)
    comparison = _asked(answers, request, answer, llama_bin) if oracle else ()
    typer.echo(
        json.dumps(estimate_json(answer, comparison), indent=2) if as_json else estimate_text(answer, comparison)
    )


class Answers:
    """Answers requests, and reads each source and profile once."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str, str, str], Sized] = {}
        self._hosts: dict[str, tuple[Device, ...]] = {}
        self._whole_hosts: dict[str, Host] = {}

    def answer(self, request: Request) -> "Answer":
        """The estimate. Raises UserError for a mistake, and for what the engine would refuse."""
        from stackplan.views.estimate import Answer  # noqa: PLC0415

        sized = self.sized(request)
        serving, placement = self.serving(request), self.placement(request)
        drafting, acceleration = self.drafting(request), None
        if drafting:
            host, tokens = self._whole_hosts.get(request.devices), _proposals(request.draft_tokens)
            acceleration = drafting.acceleration(host, serving, placement, tokens) if host else None
            serving = drafting.serving(serving, acceleration.draft_tokens if acceleration else tokens or DEFAULT_TOKENS)
        found = self.ask(request, serving, placement)
        return Answer(request.source, sized.quantisation, serving, placement, found, request.draft, acceleration)

    def drafting(self, request: Request) -> "Drafting | None":
        """Who proposes tokens; None without a draft. Raises UserError where the engine would refuse it."""
        from stackplan.cli.estimate_draft import drafting  # noqa: PLC0415

        def sized(source: str) -> "Sized":
            return self.sized(Request(source, engine=request.engine))

        return drafting(request.draft, self.sized(request), sized, request.engine) if request.draft else None

    def ask(self, request: Request, serving: "Serving", placement: "Placement") -> "Estimate":
        """What the engine takes. Raises UserError when it would refuse."""
        from stackplan.estimate.engines import answer  # noqa: PLC0415
        from stackplan.estimate.question import Question  # noqa: PLC0415
        from stackplan.serving import Unestimable  # noqa: PLC0415

        sized, drafting = self.sized(request), self.drafting(request)
        question = Question(
            sized.architecture,
            sized.weights,
            serving,
            placement,
            self.devices(request),
            sized.parameters,
            sized.file_bytes,
            sized.quantisation,
            draft=drafting.weights() if drafting else None,
        )
        found = answer(request.engine, question)
        if isinstance(found, Unestimable):
            raise UserError(found.detail, hint="change what is asked; docs/estimate.md explains", slug=found.reason)
        return found

    def sized(self, request: Request) -> "Sized":
        """The request's source, read once."""
        from stackplan.cli.estimate_source import sized_source  # noqa: PLC0415

        key = (request.source, request.quant, request.engine)
        if key not in self._sources:
            self._sources[key] = sized_source(*key)
        return self._sources[key]

    def devices(self, request: Request) -> "tuple[Device, ...]":
        """The GPUs of the request's profile; none without one."""
        if request.devices and request.devices not in self._hosts:
            from stackplan.profile import load_profile  # noqa: PLC0415

            self._whole_hosts[request.devices] = load_profile(request.devices).host
            self._hosts[request.devices] = self._whole_hosts[request.devices].gpus
        return self._hosts.get(request.devices, ())

    def serving(self, request: Request) -> "Serving":
        """How the request wants it served."""
        from stackplan.serving import Serving  # noqa: PLC0415

        kv_k, _, kv_v = request.kv.partition("/")
        if request.flash_attn not in {"on", "off", "auto"}:
            raise bad("flash_attn", "on, off or auto")
        architecture = self.sized(request).architecture
        embeds = self.sized(request).embeds or (architecture is not None and not architecture.causal)
        context = request.context or _default_context(architecture.context_tokens if architecture else 0)
        # An embedder reads a text in one micro-batch, and servers give it no more than that.
        batch = request.ubatch if embeds else max(2048, request.ubatch)
        return Serving(
            context_tokens=_count("context", context),
            slots=_count("parallel", request.parallel),
            kv_unified=request.kv_unified,
            kv_type_k=kv_k,
            kv_type_v=kv_v or kv_k,
            micro_batch_tokens=_count("ubatch", request.ubatch),
            batch_tokens=batch,
            flash_attention=request.flash_attn,
            output_rows="batch" if embeds else "slots",
        )

    def placement(self, request: Request) -> "Placement":
        """Where the request wants it: on every GPU of the profile, or on the CPU."""
        from stackplan.serving import Placement  # noqa: PLC0415

        layers = None if request.gpu_layers == "all" else _layers(request.gpu_layers)
        devices = tuple(device.id for device in self.devices(request))
        if not devices and layers:
            raise UserError(
                "layers on a GPU, but no GPU is named",
                hint="add --devices PROFILE or --devices rtx-3090",
                slug="no-gpu",
            )
        return Placement(devices, layers, (), _count("n_cpu_moe", request.n_cpu_moe, least=0))


def _default_context(trained_tokens: int) -> int:
    return min(DEFAULT_CONTEXT_TOKENS, trained_tokens) if trained_tokens else DEFAULT_CONTEXT_TOKENS


def _count(name: str, value: int, least: int = 1) -> int:
    if not least <= value <= _LARGEST:
        raise bad(name, f"a whole number of at least {least}")
    return value


def _proposals(value: int) -> int:
    if not 0 <= value <= _MOST_PROPOSED:
        raise bad("draft_tokens", f"a whole number up to {_MOST_PROPOSED}")
    return value


def _layers(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise bad("gpu_layers", "a whole number or all")
    return int(text)


def _asked(answers: Answers, request: Request, answer: "Answer", llama_bin: Path | None) -> "tuple[Comparison, ...]":
    """The engine's own figures beside ours, both with logits for a whole micro-batch."""
    from stackplan.estimate import oracle  # noqa: PLC0415
    from stackplan.views.estimate import compared  # noqa: PLC0415

    program = oracle.find_program(llama_bin)
    sized = answers.sized(request)
    if sized.file is None:
        raise UserError("the engine can be asked about a local GGUF only", hint="give the file", slug="oracle-source")
    serving = replace(answer.serving, output_rows="batch")
    with sized.file.open("rb") as file, tempfile.TemporaryDirectory() as folder:
        hollow = Path(folder) / "hollow.gguf"
        oracle.write_hollow(hollow, file.read(sized.header_bytes), sized.file_bytes)
        rows = oracle.ask(program, hollow, serving, answer.placement)
    return compared(rows, answers.ask(request, serving, answer.placement))


def _answer_lines(source: str) -> int:
    """One JSON object per line in, one per line out; a line that fails says why, and the rest go on."""
    answers, code = Answers(), int(ExitCode.DONE)
    for line in lines_of(source):
        try:
            request = request_of(line)
            from stackplan.views.estimate import estimate_json  # noqa: PLC0415

            data: dict[str, Any] = estimate_json(answers.answer(request))
        except UserError as error:
            data = {"error": error.slug, "message": error.message, "hint": error.hint}
            code = int(ExitCode.ERROR)
        typer.echo(json.dumps(data))
    return code
