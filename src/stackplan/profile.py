"""A named host with a stack and a policy: a YAML file, or on the fly from a device of the hardware catalog."""

import re
from difflib import get_close_matches
from pathlib import Path

from stackplan.bundled import config_folder, search_folders
from stackplan.errors import UserError
from stackplan.hardware import Host
from stackplan.profile_yaml import Profile, read_profile
from stackplan.stack import Policy

__all__ = ["Profile", "load_profile", "profile_files", "read_profile", "require_stack", "save_profile"]

_LONGEST_NAME = 120


def load_profile(name: str, *, ram_bytes: int | None = None, folder: Path | None = None) -> Profile:
    """The profile called ``name``: a YAML file, a profile of the folders, or devices like ``2x rtx-3090``.

    ``ram_bytes`` replaces the host memory that the profile declares. Raises UserError for an unknown name, with the
    nearest ones, and for a malformed file, with file, line and field.
    """
    if ram_bytes is not None and ram_bytes <= 0:
        raise UserError("host memory must be greater than 0", hint="write it like --ram 64GiB", slug="bad-size")
    if name.endswith((".yaml", ".yml")):
        return read_profile(Path(name), ram_bytes=ram_bytes)
    path = profile_files(folder).get(name)
    if path is not None:
        return read_profile(path, ram_bytes=ram_bytes)
    from stackplan.device_profile import device_profile_host  # noqa: PLC0415  (reads the hardware catalog)

    host = device_profile_host(name[:_LONGEST_NAME], ram_bytes=ram_bytes)
    if host is None:
        raise _unknown(name[:_LONGEST_NAME], folder)
    return Profile(host.id, host, "everyday", Policy(), title=host.name, source="hardware catalog")


def require_stack(profile: Profile, folder: Path | None = None) -> None:
    """Raise UserError when no folder holds the stack that ``profile`` names."""
    places = [place / "stacks" for place in search_folders("profiles", folder)]
    known = sorted({path.stem for place in places for path in place.glob("*.yaml")})
    if profile.stack not in known:
        raise UserError(
            f"{profile.source}: stack {profile.stack!r} is not known",
            hint=f"choose one of {', '.join(known) or 'your own profiles/stacks/*.yaml'}",
            slug="unknown-stack",
        )


def save_profile(name: str, host: Host, *, stack: str = "everyday", replace: bool = False) -> Path:
    """Write ``host`` as the profile ``name`` into the user's own folder and return its path.

    Raises UserError for a name that is no file name, and for one that exists unless ``replace``.
    """
    import yaml  # noqa: PLC0415

    from stackplan.host_json import host_to_json  # noqa: PLC0415

    if re.fullmatch(r"[a-z0-9][a-z0-9._\-]{0,63}", name) is None:
        hint = "use small letters, digits, '-', '.' and '_', like my-server"
        raise UserError(f"{name[:80]!r} cannot name a profile", hint=hint, slug="bad-name")
    path = config_folder() / "profiles" / f"{name}.yaml"
    if path.exists() and not replace:
        raise UserError(f"{path} exists", hint="choose another name, or add --force", slug="profile-exists")
    content = {"schema": 1, "title": host.name, "recorded": host_to_json(host), "stack": stack}
    draft = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        hint = "set STACKPLAN_CONFIG to a folder that you may write"
        raise UserError(f"{path}: {error.strerror}", hint=hint, slug="unwritable-file") from error
    return path


def profile_files(folder: Path | None = None) -> dict[str, Path]:
    """Profile files by name; the user's own folders win over the bundled one."""
    found: dict[str, Path] = {}
    for place in search_folders("profiles", folder):
        for path in sorted(place.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def _unknown(name: str, folder: Path | None) -> UserError:
    from stackplan.device_catalog_yaml import load_device_catalog  # noqa: PLC0415

    known = [*profile_files(folder), *(facts.id for facts in load_device_catalog().devices)]
    near = list(dict.fromkeys(get_close_matches(name, known, n=5, cutoff=0.4)))
    hint = f"did you mean {', '.join(near)}?" if near else "see `stackplan profiles list`"
    return UserError(f"no profile or device is called {name!r}", hint=hint, slug="unknown-profile")
