"""Runs in the validators' environment: the embedded TensorZero gateway loads a config and calls the functions named."""

import json
import sys

from tensorzero import TensorZeroGateway

if __name__ == "__main__":
    answers = {}
    with TensorZeroGateway.build_embedded(config_file=sys.argv[1]) as gateway:
        for name in sys.argv[2:]:
            answer = gateway.inference(function_name=name, input={"messages": [{"role": "user", "content": "hello"}]})
            answers[name] = answer.content[0].text
    print(json.dumps(answers))
