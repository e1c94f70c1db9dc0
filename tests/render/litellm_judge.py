"""Runs in the validators' environment: LiteLLM's own router reads configs; prints what it understood as JSON."""

import json
import sys

import yaml
from litellm import Router


def understood(path: str) -> dict[str, list[dict]]:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        config = yaml.safe_load(file)
    router = Router(model_list=config["model_list"], **config["router_settings"])
    groups: dict[str, list[dict]] = {}
    for entry in router.get_model_list() or []:
        params = entry["litellm_params"]
        shown = {"model": params["model"], "base": params.get("api_base"), "order": params.get("order")}
        groups.setdefault(entry["model_name"], []).append(shown)
    return groups


if __name__ == "__main__":
    print(json.dumps([understood(path) for path in sys.argv[1:]]))
