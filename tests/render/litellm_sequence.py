"""Runs in the validators' environment: asks one role again and again; prints who answered each time."""

import asyncio
import json
import sys

import litellm
import yaml
from litellm import Router

litellm.telemetry = False


async def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
        config = yaml.safe_load(file)
    router = Router(model_list=config["model_list"], **config["router_settings"])
    answers = []
    for _ in range(int(sys.argv[3])):
        try:
            message = [{"role": "user", "content": "hello"}]
            answer = await router.acompletion(model=sys.argv[2], messages=message, max_tokens=4)
            answers.append(answer.choices[0].message.content)
        except Exception as error:
            answers.append(f"{type(error).__name__}: {error}"[:200])
        await asyncio.sleep(0.5)  # what was spent is counted after the answer went out
    print(json.dumps(answers))


if __name__ == "__main__":
    asyncio.run(main())
