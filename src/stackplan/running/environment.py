"""What units see of the user's environment: what engines need to run, and no key that was not meant for them."""

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from stackplan.errors import UserError
from stackplan.running.units import MASTER_KEY, Unit

_NAMES = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
    "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "OLLAMA_MODELS", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
})  # fmt: skip
# Drivers and their libraries. LLAMA_ARG_* is left out on purpose: it would change what was planned.
_PREFIXES = ("LC_", "DYLD_", "CUDA_", "NVIDIA_", "ROCR_", "HIP_", "HSA_", "GGML_", "ONEAPI_", "ZE_", "SYCL_", "VK_")
_LARGEST_BYTES = 1 << 16


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of the environment that servers may see."""
    return {name: value for name, value in environment.items() if name in _NAMES or name.startswith(_PREFIXES)}


def written_down(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of `passed_on` that may stand in a file: an address of a proxy can hold a password."""
    passed = passed_on(environment)
    return {name: value for name, value in passed.items() if not name.lower().endswith("_proxy")}


def keys_of(units: Sequence[Unit], files: Sequence[Path], environment: Mapping[str, str]) -> dict[str, str]:
    """The values of every key that the units ask for: from the environment, else the first file that has it.

    Raises `UserError` naming the first key that nobody set.
    """
    known: dict[str, str] = {}
    for path in reversed(files):
        known |= read_variables(path)
    known |= {name: value for name, value in environment.items() if value}
    wanted = [name for unit in units for name in unit.keys]
    if missing := next((name for name in wanted if not known.get(name)), None):
        raise missing_key(missing, files[0])
    return {name: known[name] for name in wanted}


def read_variables(path: Path) -> dict[str, str]:
    """``NAME=value`` lines of a file that the user wrote; empty without one. Nothing is expanded."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise _unreadable(path, "it is larger than 64 KiB")
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error
    pairs = [line.strip().removeprefix("export ").partition("=") for line in lines if "=" in line]
    return {name.strip(): _unquoted(value) for name, _, value in pairs if name.strip().isidentifier()}


def is_readable_by_others(path: Path) -> bool:
    """Whether other users of the machine could read the keys."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def key_files(config: Path, folder: Path) -> tuple[Path, ...]:
    """Where keys are looked for, the first that has one wins: the user's own file, then the deployment's ``.env``."""
    return (config / "gateway.env", folder / ".env")


def require_written_keys(units: Sequence[Unit], files: Sequence[Path]) -> None:
    """Raise `UserError` for a key that stands in no file: a supervisor that outlives this shell reads it there."""
    written = {name for path in files for name, value in read_variables(path).items() if value}
    if absent := next((key for unit in units for key in unit.keys if key not in written), None):
        raise missing_key(absent, files[0])


def missing_key(name: str, path: Path) -> UserError:
    """What to say when a key was looked for in vain, with the file where it belongs."""
    make = "sk-$(openssl rand -hex 24)" if name == MASTER_KEY else "..."
    hint = f'(umask 077; echo "{name}={make}" >> {path}), or leave the gateway out: --no-gateway'
    return UserError(f"{name} is not set; the gateway needs it", hint=hint, slug="missing-key")


def _unquoted(text: str) -> str:
    value = text.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(f"{path} cannot be read: {reason}", hint="it holds NAME=value lines", slug="bad-env-file")
