"""Runs in the validators' environment: one call per role through LiteLLM's router; prints which stub answered."""

import asyncio
import json
import sys

import litellm
import yaml
from litellm import Router

litellm.telemetry = False
# One sample of silence: a header of 44 bytes and two more.
WAVE = b"RIFF&\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data\2\0\0\0\0\0"


async def ask(router: Router, role: str, mode: str) -> str:
    if mode == "embedding":
        answer = await router.aembedding(model=role, input=["text"])
        return f"{len(answer.data)} vectors"
    if mode == "rerank":
        answer = await router.arerank(model=role, query="q", documents=["a", "b"], top_n=2)
        return f"{len(answer.results)} results"
    if mode == "audio_transcription":
        return (await router.atranscription(model=role, file=("a.wav", WAVE, "audio/wav"))).text
    answer = await router.acompletion(model=role, messages=[{"role": "user", "content": "hello"}], max_tokens=4)
    return answer.choices[0].message.content


async def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
        config = yaml.safe_load(file)
    router = Router(model_list=config["model_list"], **config["router_settings"])
    answers = {}
    for role, mode in json.loads(sys.argv[2]).items():
        try:
            answers[role] = await ask(router, role, mode)
        except Exception as error:
            answers[role] = f"{type(error).__name__}: {error}"[:300]
    print(json.dumps(answers))


if __name__ == "__main__":
    asyncio.run(main())
