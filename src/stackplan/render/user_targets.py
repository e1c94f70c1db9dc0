"""The user's own targets: a folder with ``manifest.yaml`` and templates, no code.

A manifest lists what to write::

    description: Our own inventory
    outputs:
      - {template: inventory.txt.j2, path: inventory/models.txt}
      - {template: one.env.j2, path: "env/{{ server.id }}.env", each: server}

Templates are Jinja2 in a sandbox: they see ``plan``, ``servers``, ``roles`` and, with ``each``, the one ``server`` or
``role``; an undefined name is an error; ``sh``, ``ps``, ``unit`` and ``one_line`` quote.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from stackplan.bundled import config_folder
from stackplan.errors import UserError
from stackplan.plan import Plan
from stackplan.render.endpoints import Seen, base_url, served_name
from stackplan.render.servers import servers
from stackplan.render.templates import sandbox

MANIFEST = "manifest.yaml"
EACH = ("", "server", "role")
# What a template's own expressions raise.
_MISTAKES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
_LARGEST_TEXT_BYTES = 1024**2
_LARGEST_OUTPUT_CHARACTERS = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Output:
    """One file, or one per server or role: the template and the path, both rendered."""

    template: str
    path: str
    each: str = ""


@dataclass(frozen=True, slots=True)
class UserTarget:
    """A target made of texts only; everything was read before, so rendering touches no file."""

    name: str
    description: str
    outputs: tuple[Output, ...]
    templates: dict[str, str]

    def render(self, plan: Plan) -> dict[str, str]:
        """The target's files. Raises `UserError` that names the template and what is wrong with it."""
        files: dict[str, str] = {}
        for output in self.outputs:
            for values in _each(plan, output.each):
                path = self._fill(output.path, values, "path")
                _check_path(self.name, path)
                if path in files:
                    raise _wrong(self.name, f"two outputs write {path}")
                files[path] = self._fill(self.templates[output.template], values, output.template)
        return files

    def _fill(self, text: str, values: dict[str, Any], what: str) -> str:
        from jinja2 import DictLoader, TemplateError  # noqa: PLC0415

        try:
            filled = sandbox(DictLoader(self.templates)).from_string(text).render(**values)
        except (TemplateError, *_MISTAKES) as error:
            raise _wrong(self.name, f"{what}: {' '.join(str(error).split()) or type(error).__name__}") from error
        if len(filled) > _LARGEST_OUTPUT_CHARACTERS:
            raise _wrong(self.name, f"{what} writes more than {_LARGEST_OUTPUT_CHARACTERS} characters")
        return filled


def find_user_targets(extra: Path | None = None) -> dict[str, UserTarget]:
    """The user's targets by folder name: in ``extra``, else in the configuration folder; the first of a name wins."""
    found: dict[str, UserTarget] = {}
    for folder in filter(None, (extra, config_folder() / "templates")):
        if folder is extra and not folder.is_dir():
            raise UserError(f"there is no folder {folder}", hint="name one with --templates", slug="no-templates")
        for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
            found.setdefault(manifest.parent.name, read_user_target(manifest.parent))
    return found


def read_user_target(folder: Path) -> UserTarget:
    """The target in ``folder``. Raises `UserError` that names the manifest's mistake."""
    import yaml  # noqa: PLC0415

    try:
        document = yaml.safe_load(_text(folder, folder / MANIFEST))
    except yaml.YAMLError as error:
        raise _wrong(folder.name, f"{MANIFEST} is no YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(document, dict) or not isinstance(document.get("outputs"), list) or not document["outputs"]:
        raise _wrong(folder.name, f"{MANIFEST} needs a list of outputs")
    outputs = tuple(_output(folder.name, entry) for entry in document["outputs"])
    texts = {str(path.relative_to(folder)): _text(folder, path) for path in sorted(folder.rglob("*.j2"))}
    for output in outputs:
        if output.template not in texts:
            raise _wrong(folder.name, f"there is no template {output.template!r} (its name must end in .j2)")
    return UserTarget(folder.name, str(document.get("description", "")), outputs, texts)


def _output(target: str, entry: Any) -> Output:
    if not isinstance(entry, dict) or not all(isinstance(part, str) for pair in entry.items() for part in pair):
        raise _wrong(target, "an output is template, path and each, all text")
    if unknown := sorted(entry.keys() - {"template", "path", "each"}):
        raise _wrong(target, f"an output has no field {unknown[0]!r}")
    if not entry.get("template") or not entry.get("path") or entry.get("each", "") not in EACH:
        raise _wrong(target, "an output needs template and path; each is server or role")
    return Output(entry["template"], entry["path"], entry.get("each", ""))


def _text(folder: Path, path: Path) -> str:
    try:
        if folder.resolve() not in path.resolve().parents:
            raise _wrong(folder.name, f"{path.name} lies outside the target's folder")
        if path.stat().st_size > _LARGEST_TEXT_BYTES:
            raise _wrong(folder.name, f"{path.name} is larger than 1 MiB")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(folder.name, f"{path.name} cannot be read: {error}") from error


def _each(plan: Plan, each: str) -> list[dict[str, Any]]:
    roles = [
        {
            "name": role.role,
            "mode": role.mode,
            "model": served_name(plan, role),
            "url": base_url(plan, role, Seen.LOOPBACK),
        }
        for role in plan.roles
    ]
    common: dict[str, Any] = {"plan": plan, "servers": servers(plan), "roles": roles}
    if not each:
        return [common]
    ones = common["servers"] if each == "server" else roles
    return [{**common, each: one} for one in ones]


def _check_path(target: str, path: str) -> None:
    parts = PurePosixPath(path).parts
    hostile = any(ord(letter) < 32 for letter in path) or "\\" in path or ":" in path
    if not parts or path.startswith(("/", "~")) or ".." in parts or hostile:
        raise _wrong(target, f"the path {path!r} leaves the output folder")


def _wrong(target: str, what: str) -> UserError:
    return UserError(f"target {target!r}: {what}", hint="docs/targets.md shows a whole target", slug="bad-target")
