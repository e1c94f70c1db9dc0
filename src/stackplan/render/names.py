"""The gate in front of every target: which texts of a plan may be written into files that other programs execute.

Everything that reaches a rendered file is checked here once, by allow-list, before any target runs; free text
(titles, notes) is not rendered at all. A plan is refused rather than repaired: a name that had to be changed would
no longer be the name that download and verify use.
"""

import re
from collections.abc import Iterator

from stackplan.errors import UserError
from stackplan.plan import Instance, Plan, PlannedArtifact, ServedRole
from stackplan.remote import Fallback
from stackplan.render.servers import TIERS, tier_of
from stackplan.serving import KV_TYPES

MODES = ("chat", "embedding", "rerank", "audio_transcription")
POOLINGS = ("", "none", "mean", "cls", "last", "rank")
FLASH = ("on", "off", "auto")

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._+@:-]*"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_][A-Za-z0-9._+-]*)*")
_IMAGE = re.compile(
    r"(?:[a-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_URL = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?(?:/[A-Za-z0-9._~-]+)*/?")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_FLOATING_TAGS = ("latest", "main", "master", "edge", "nightly", "dev")
_LONGEST = 200


def check_names(plan: Plan) -> None:
    """Raise `UserError` for the first text or number of ``plan`` that may not reach a rendered file."""
    for what, text, pattern in _texts(plan):
        if len(text) > _LONGEST or not pattern.fullmatch(text) or ".." in text or "::" in text:
            raise _unsafe(what, text)
    for instance in plan.instances:
        _check_choices(instance)
    for engine in plan.engines:
        for image in engine.images.values():
            check_image(image)
    for port in (plan.gateway_port, *(instance.port for instance in plan.instances)):
        if not 0 < port < 1 << 16:
            raise UserError(f"port {port} is not between 1 and 65535", hint="set a port there", slug="bad-port")
    _check_ports(plan)


def check_image(image: str) -> None:
    """Raise `UserError` unless ``image`` is a well-formed reference pinned to a version or a digest."""
    if len(image) > _LONGEST * 2 or not _IMAGE.fullmatch(image):
        raise _unsafe("container image", image)
    _, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    if "@sha256:" not in image and (not tag or tag in _FLOATING_TAGS):
        raise UserError(
            f"container image {image!r} is not pinned",
            hint="give a version tag or a digest in the catalog's engines.yaml",
            slug="image-not-pinned",
        )


def _check_ports(plan: Plan) -> None:
    taken: dict[int, str] = {plan.gateway_port: "the gateway"}
    for instance in plan.instances:
        if instance.port in taken:
            raise UserError(
                f"port {instance.port} is asked for by {taken[instance.port]} and {instance.id}",
                hint="give one of them another port in the stack",
                slug="port-clash",
            )
        taken[instance.port] = instance.id


def _check_choices(instance: Instance) -> None:
    for what, value, allowed in (
        ("tier", tier_of(instance), TIERS),
        ("mode", instance.mode, MODES),
        ("KV type", instance.kv_type, KV_TYPES),
        ("pooling", instance.pooling, POOLINGS),
        ("flash attention", instance.flash_attention, FLASH),
    ):
        if value not in allowed:
            raise _unsafe(f"{what} of {instance.id}", value)


def _texts(plan: Plan) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    yield from _host_texts(plan)
    for engine in plan.engines:
        yield "engine id", engine.id, _WORD
        yield from (("image backend", backend, _WORD) for backend in engine.images)
    for artifact in plan.artifacts:
        yield from _artifact_texts(artifact)
    for instance in plan.instances:
        yield from _instance_texts(instance)
    for role in plan.roles:
        yield from _role_texts(role)
    for fallback in plan.fallbacks:
        yield from _fallback_texts(fallback)
    yield from (("role", unserved.role, _WORD) for unserved in plan.unserved)


def _host_texts(plan: Plan) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    for what, text in (("profile", plan.profile), ("stack", plan.stack), ("policy", plan.policy)):
        if text:
            yield what, text, _NAME
    yield "host id", plan.host.id, _NAME
    if plan.runtime.numa is not None:
        yield "NUMA policy", plan.runtime.numa, re.compile("off|distribute|isolate|numactl")
    for device in plan.host.machine.devices:
        yield "device id", device.id, _NAME
        if device.uuid:
            yield "device uuid", device.uuid, _NAME
        if device.compute_capability:
            yield "compute capability", device.compute_capability, _WORD


def _artifact_texts(artifact: PlannedArtifact) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    for what, text in (("artifact id", artifact.id), ("model", artifact.model)):
        yield what, text, _NAME
    for what, text in (
        ("repository", artifact.repository),
        ("Ollama tag", artifact.ollama_tag),
        ("revision", artifact.revision),
        ("quantisation", artifact.quantisation),
    ):
        if text:
            yield what, text, _NAME
    for file in (*artifact.files, *filter(None, [artifact.projector_file])):
        yield "file name", file, _FILE


def _instance_texts(instance: Instance) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    yield "instance id", instance.id, _NAME
    yield "model", instance.model, _NAME
    if instance.experts_key:
        yield "key of the header", instance.experts_key, _WORD
    if instance.swap_group:
        yield "swap group", instance.swap_group, _NAME


def _role_texts(role: ServedRole) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    yield "role", role.role, _WORD
    yield from (("input of a role", kind, _WORD) for kind in role.inputs)
    if role.pool:
        yield "pool", role.pool, _WORD
    yield "mode of a role", role.mode, re.compile("|".join(MODES))


def _fallback_texts(fallback: Fallback) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    if fallback.role:
        yield "role of a fallback", fallback.role, _WORD
    yield "fallback name", fallback.name, _WORD
    yield "fallback model", fallback.model, _NAME
    yield "fallback address", fallback.base_url, _URL
    yield "key variable", fallback.key_variable, _VARIABLE
    yield "price class", fallback.price_class, re.compile("affordable|premium")


def _unsafe(what: str, text: str) -> UserError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return UserError(
        f"{what} {shown!r} cannot be written into a configuration file safely",
        hint="use letters, digits and . _ - only (model names also / : @ +), without '..'",
        slug="unsafe-name",
    )
