"""The house of docs/DESIGN.md, kept: who may import whom, who may print, how long things may grow.

A new module fails here until it has a rank. Give it the lowest rank that is above everything it imports, here and in
docs/DESIGN.md; when there is none, the module knows too much.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "stackplan"

# A module or package of src/stackplan imports only what stands on a line above its own.
RANKS = {
    name: rank
    for rank, names in enumerate(
        """
        __init__ arrays meter units errors remote remote_schema runtime values
        architecture bundled catalog_schema contexts effort hardware problem stack strict_yaml
        backends catalog catalog_files class_code content_index deploy device_catalog engine_schema gguf host_difference host_json profile_schema quality_tables reservations serving taken vocabulary yaml_schema
        catalog_codec configuration declared_host device_catalog_schema estimate idle_host measurement needs placements plan quality quantisation solve speed_index stack_schema utility
        assess bare fallbacks calibration catalog_yaml device_catalog_yaml eligibility judgement_schema lock measurement_lines render settings stack_yaml utility_terms
        afterwards calibration_store catalog_sizes detect device_profile diff dominated download drift judgement_yaml line_arrays profile_yaml proposers rating reasons running
        curves file_bounds option_rows
        prospects
        ways
        bases catalog_build judgement_index profile verify
        bench catalog_index options
        deployed granted offered outlines
        gaining narrowing shelves sketches surpassed
        market
        reach seeds variants
        choose saving
        assemble
        pipeline
        merits
        alone counterfactual traded
        explain fixes fleet whatif
        views
        cli
        __main__
        """.strip().splitlines()  # noqa: E501  (one rank is one line)
    )
    for name in names.split()
}

# Families of siblings that do not know each other. Whoever is listed here is for the whole family: its registry, which
# may import every member, and the modules that members share.
REGISTRIES = {
    "detect": {"__init__", "assemble", "live", "replay"},
    "render": {"__init__"},
    "verify": {"__init__", "compare", "engines", "run"},
    "running": {"registry"},
    "views": set(),
    "cli": set(),
}
SHARED = {
    "detect": {
        "cgroup", "gpu", "memory", "memory_modules", "numbers", "nvidia_smi", "nvml", "pci", "pcie", "probe_schema",
        "recording", "redact", "reports", "storage", "surroundings", "sysctl", "tegra", "visibility", "world",
    },
    "render": {
        "compose_services", "devices", "documents", "endpoints", "images", "llama_options", "names", "native",
        "ollama_environment", "overlays", "references", "routing", "routing_policy", "servers", "service_arguments",
        "templates", "units",
    },
    "verify": {
        "exchange", "finding", "gateway", "held_bytes", "memory_map", "model_files", "observation", "role_question",
        "samples", "set_aside",
    },
    "running": {
        "endpoints", "environment", "leftovers", "lifecycle", "logs", "memory", "ollama", "programs", "readiness",
        "record", "registry", "selection", "site", "status", "supervisor", "supervisord_client", "units", "waiting",
    },
    "views": {"bars", "colour", "host", "table"},
    "cli": {
        "__init__", "deployment", "described", "estimate_draft", "estimate_request", "estimate_source", "fetching",
        "forked", "kept", "measuring", "plain_words", "planning", "present", "terminal", "world", "world_options",
    },
}  # fmt: skip
ENGINES = {"llama_cpp", "ollama", "text_embeddings", "vllm", "whisper"}
ENGINE_INSIDE_ANOTHER = {("ollama", "llama_cpp")}  # Ollama runs llama.cpp

SPEAKERS = {"views", "cli"}
SPEAKING = {"rich", "typer"}
# From needs to a plan nothing reads files, clock or environment: the same world gives the same bytes.
PURE = {
    "afterwards", "alone", "architecture", "arrays", "assemble", "assess", "bases", "calibration", "catalog",
    "choose", "configuration", "contexts", "counterfactual", "curves", "deployed", "diff", "dominated", "effort",
    "eligibility", "estimate", "explain", "fallbacks", "file_bounds", "fixes", "gaining", "granted", "hardware",
    "line_arrays", "market", "measurement", "merits", "meter", "narrowing", "needs", "offered", "option_rows",
    "options", "outlines", "pipeline", "placements", "plan", "problem", "proposers", "prospects", "quality",
    "quantisation", "rating", "reach", "reasons", "remote", "runtime", "saving", "seeds", "serving", "shelves",
    "sketches", "surpassed", "traded", "utility", "utility_terms", "values", "variants", "ways", "whatif",
}  # fmt: skip
ASKING_A_PROGRAM = {"estimate.oracle"}  # runs llama.cpp's own estimator beside ours; no plan comes through it
OF_THE_WORLD = {"os", "time", "datetime", "random", "secrets", "socket", "subprocess", "tempfile", "shutil", "glob"}
HEAVY = ("huggingface_hub", "jinja2", "pydantic", "pynvml", "rich", "yaml")

LONGEST_MODULE = 300
LONGEST_FUNCTION = 60


@cache
def modules() -> dict[str, ast.Module]:
    """Every module's tree by its dotted name below stackplan."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


@cache
def imports(name: str) -> tuple[tuple[str, int], ...]:
    """Modules of stackplan that ``name`` imports, wherever in it, with the line."""
    found = []
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(_module(target), node.lineno) for target in targets if target.startswith("stackplan.")]
        elif isinstance(node, ast.Import):
            found += [(_module(a.name), node.lineno) for a in node.names if a.name.startswith("stackplan.")]
        elif isinstance(node, ast.ImportFrom) and node.level:
            pytest.fail(f"{name}:{node.lineno}: relative import; write the whole name")
    return tuple((target, line) for target, line in found if target != name)


def _module(dotted: str) -> str:
    """The module that holds ``stackplan.a.b.name``."""
    parts = dotted.split(".")[1:]
    while parts and ".".join(parts) not in modules():
        parts = parts[:-1]
    return ".".join(parts) or "__init__"


def outside(name: str) -> Iterator[tuple[str, int]]:
    """Top-level packages from elsewhere that ``name`` imports, wherever in it, with the line."""
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0], node.lineno
        elif isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)


def house(name: str) -> str:
    """The module or package directly below stackplan that ``name`` belongs to."""
    return name.partition(".")[0]


def told(violations: list[str]) -> None:
    assert not violations, "\n  " + "\n  ".join(violations)


def test_every_module_has_a_rank() -> None:
    told(
        [
            f"{one}: no rank; add it to RANKS here and to docs/DESIGN.md"
            for one in {house(m) for m in modules()} - set(RANKS)
        ]
    )


def test_imports_go_to_lower_ranks_only() -> None:
    told(
        [
            f"{name}:{line} (rank {RANKS[house(name)]}) imports {target} (rank {RANKS[house(target)]})"
            for name in modules()
            for target, line in imports(name)
            if house(name) != house(target) and RANKS.get(house(name), 99) <= RANKS.get(house(target), -1)
        ]
    )


def test_no_modules_import_each_other_in_a_ring() -> None:
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> list[str]:
        if name in path:
            return [" -> ".join((*path[path.index(name) :], name))]
        if name in done:
            return []
        done.add(name)
        return [ring for target, _ in imports(name) for ring in walk(target, (*path, name))]

    told([ring for name in modules() for ring in walk(name, ())])


def test_siblings_of_a_family_do_not_know_each_other() -> None:
    violations = []
    for name in modules():
        family, _, member = name.partition(".")
        if family not in SHARED or (member or "__init__") in REGISTRIES[family]:
            continue
        for target, line in imports(name):
            other_family, _, other = target.partition(".")
            if other_family == family and (other or "__init__") not in SHARED[family]:
                violations.append(f"{name}:{line} imports its sibling {target}; share through a module of SHARED")
    told(violations)


def test_engines_do_not_know_each_other() -> None:
    told(
        [
            f"estimate.{engine}:{line} imports {target}"
            for engine in sorted(ENGINES)
            for target, line in imports(f"estimate.{engine}")
            if target.removeprefix("estimate.") in ENGINES
            and (engine, target.removeprefix("estimate.")) not in ENGINE_INSIDE_ANOTHER
        ]
    )


def test_only_views_and_the_command_line_speak() -> None:
    quiet = [name for name in modules() if house(name) not in SPEAKERS]
    prints = [
        f"{name}:{node.lineno} prints"
        for name in quiet
        for node in ast.walk(modules()[name])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    told(prints + [f"{name}:{line} imports {top}" for name in quiet for top, line in outside(name) if top in SPEAKING])


def test_planning_reads_neither_files_nor_clock_nor_environment() -> None:
    pure = [name for name in modules() if house(name) in PURE and name not in ASKING_A_PROGRAM]
    told([f"{name}:{line} imports {top}" for name in pure for top, line in outside(name) if top in OF_THE_WORLD])


def test_modules_stay_below_300_lines() -> None:
    told(
        [
            f"{path.relative_to(SOURCE)}: {count} lines, {LONGEST_MODULE} are the most"
            for path in sorted(SOURCE.rglob("*.py"))
            if (count := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE
        ]
    )


def test_functions_stay_below_60_lines() -> None:
    told(
        [
            f"{name}:{node.lineno} {node.name}: {length} lines, {LONGEST_FUNCTION} are the most"
            for name, tree in modules().items()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
        ]
    )


@pytest.mark.parametrize(
    ("start", "unwanted"),
    [
        ("from stackplan.cli import run; run(['--version'])", (*HEAVY, "typer", "json", "dataclasses")),
        ("import stackplan.pipeline", HEAVY),
        ("import stackplan.views.plan", HEAVY),
    ],
    ids=["--version", "planning", "drawing a plan"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(start: str, unwanted: tuple[str, ...]) -> None:
    code = f"import sys\n{start}\nloaded = sorted(sys.modules)\nimport json\nprint(json.dumps(loaded))"
    said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.split(".")[0] for name in json.loads(said.splitlines()[-1])}
    told([f"{start!r} imports {name}" for name in unwanted if name in loaded])
