"""The smallest real request of each kind of role, to its own server or through the gateway."""

import base64
import json
from typing import Any

from stackplan.plan import Plan, ServedRole
from stackplan.render.endpoints import Seen, base_url, served_name
from stackplan.render.servers import INFINITY, TEI
from stackplan.verify import samples
from stackplan.verify.exchange import Question

CHAT, EMBEDDING, RERANK, TRANSCRIPTION = "chat", "embedding", "rerank", "audio_transcription"
# The first text once more, a paraphrase of it, and one about something else.
EMBEDDED = (samples.FITTING, samples.FITTING, samples.UNRELATED)
RANKED = (samples.UNRELATED, samples.FITTING)
_ANSWER_TOKENS = 16
_BOUNDARY = "stackplan-verify-c6a1f0e2"


def direct(plan: Plan, role: ServedRole) -> Question:
    """The request to the role's own server."""
    engine = plan.instance(role.instance).engine
    base, name = base_url(plan, role, Seen.LOOPBACK), served_name(plan, role)
    if role.mode == RERANK and engine == TEI:
        return Question(base, "/rerank", _json({"query": samples.QUESTION, "texts": RANKED}))
    root = "" if engine == INFINITY else "/v1"  # Infinity serves at its root
    return _question(plan, role, f"{base}{root}", name, "")


def through_gateway(plan: Plan, role: ServedRole, gateway: str, key: str) -> Question:
    """The request through the gateway, which knows roles by name."""
    return _question(plan, role, f"{gateway}/v1", role.role, key)


def sees(plan: Plan, role: ServedRole) -> bool:
    """Whether the role is asked about a picture."""
    return role.mode == CHAT and "image" in role.inputs and plan.instance(role.instance).vision


def _question(plan: Plan, role: ServedRole, root: str, name: str, key: str) -> Question:
    address, _, path = root.partition("//")[2].partition("/")
    base, path = f"http://{address}", f"/{path}" if path else ""
    if role.mode == TRANSCRIPTION:
        return Question(
            base, f"{path}/audio/transcriptions", _form(name), f"multipart/form-data; boundary={_BOUNDARY}", key
        )
    if role.mode == EMBEDDING:
        body: dict[str, Any] = {"model": name, "input": list(EMBEDDED), "encoding_format": "float"}
        return Question(base, f"{path}/embeddings", _json(body), key=key)
    if role.mode == RERANK:
        body = {"model": name, "query": samples.QUESTION, "documents": list(RANKED)}
        return Question(base, f"{path}/rerank", _json(body), key=key)
    body = {
        "model": name,
        "messages": [{"role": "user", "content": _content(sees(plan, role))}],
        "max_tokens": _ANSWER_TOKENS,
        "temperature": 0,
    }
    return Question(base, f"{path}/chat/completions", _json(body), key=key)


def _content(sees_picture: bool) -> Any:
    if not sees_picture:
        return samples.QUESTION
    picture = f"data:image/png;base64,{base64.b64encode(samples.png()).decode()}"
    return [{"type": "text", "text": samples.PICTURE_QUESTION}, {"type": "image_url", "image_url": {"url": picture}}]


def _form(name: str) -> bytes:
    """A multipart form with the model's name and a sound (RFC 7578)."""
    field = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{name}\r\n'
    file = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="tone.wav"\r\n'
    file += "Content-Type: audio/wav\r\n\r\n"
    return field.encode() + file.encode() + samples.wav() + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()
