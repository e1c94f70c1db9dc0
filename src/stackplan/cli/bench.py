"""``stackplan bench``: how fast what runs really is."""

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from stackplan.cli import measuring
from stackplan.errors import UserError

if TYPE_CHECKING:
    from stackplan.bench.run import Benched, Effort
    from stackplan.bench.sample import Target

UrlOption = Annotated[str | None, typer.Option("--url", help="Measure what answers here, like http://127.0.0.1:8080.")]


def bench(
    role: Annotated[str | None, typer.Argument(help="Only what serves this role.")] = None,
    plan_file: measuring.PlanOption = measuring.SAVED_PLAN,
    repeats: measuring.RepeatsOption = 5,
    seconds: measuring.SecondsOption = 60,
    reload: measuring.ReloadOption = False,
    url: UrlOption = None,
    engine: Annotated[str, typer.Option("--engine", help="With --url: llama.cpp, ollama, vllm ...")] = "llama.cpp",
    model: Annotated[str, typer.Option("--model", help="With --url: the model's name in a request.")] = "",
    mode: Annotated[str, typer.Option("--mode", help="With --url: chat, embedding or rerank.")] = "chat",
    context: Annotated[int, typer.Option("--context", min=64, help="With --url: tokens of one request.")] = 2048,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a running stack: writing and reading speed, loading, memory at its peak. Keeps nothing.

    STACKPLAN_API_KEY is sent as the key of --url.
    """
    from stackplan.bench.run import Effort  # noqa: PLC0415
    from stackplan.render.saved_plan import read_plan  # noqa: PLC0415
    from stackplan.views.bench import bench_data, bench_text, single_data, single_text  # noqa: PLC0415

    effort = Effort(repeats, seconds, reload)
    if url is not None:
        benched = _single(_target(role, url, engine, model, mode, context), effort)
        typer.echo(json.dumps(single_data(benched), indent=2) if as_json else single_text(benched))
        return
    plan = read_plan(plan_file)
    rows = measuring.measure(plan, role, effort)
    typer.echo(json.dumps(bench_data(plan, rows), indent=2) if as_json else bench_text(plan, rows))


def _target(role: str | None, url: str, engine: str, model: str, mode: str, context: int) -> "Target":
    from stackplan.bench.engines import MODES  # noqa: PLC0415
    from stackplan.bench.sample import Target  # noqa: PLC0415

    if role is not None or mode not in MODES:
        hint = "leave out the role" if role is not None else f"modes are {', '.join(MODES)}"
        raise UserError("--url measures one address in one mode", hint=hint, slug="bad-options")
    base = _address(url)
    return Target(base, engine, mode, base, model, context, os.environ.get("STACKPLAN_API_KEY", ""))


def _address(url: str) -> str:
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        parts = urlsplit(url)
        sound = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        sound = False
    if not sound or not url.isprintable():
        hint = "write it like http://127.0.0.1:8080; for TLS measure behind the proxy"
        raise UserError(f"--url {url[:80]!r} is not an http address", hint=hint, slug="bad-options")
    return f"http://{parts.netloc}"


def _single(target: "Target", effort: "Effort") -> "Benched":
    from stackplan.bench.run import bench as measured  # noqa: PLC0415
    from stackplan.bench.wire import means  # noqa: PLC0415
    from stackplan.cli.fetching import say  # noqa: PLC0415

    return measured(target, effort, means(effort.seconds), say)
