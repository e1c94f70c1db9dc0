"""Asks an OpenAI-compatible endpoint with the official client; run by a Python that has it.

    ask_openai.py BASE_URL chat MODEL TEXT | embeddings MODEL TEXT...

The key is in ASK_KEY. Prints JSON.
"""

import json
import os
import sys

from openai import OpenAI

base, what, model, *texts = sys.argv[1:]
client = OpenAI(base_url=base, api_key=os.environ["ASK_KEY"], max_retries=0, timeout=60)
if what == "chat":
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": texts[0]}], max_tokens=8, temperature=0
    )
    print(json.dumps({"tokens": answer.usage.completion_tokens, "choices": len(answer.choices)}))
else:
    rows = client.embeddings.create(model=model, input=texts, encoding_format="float").data
    print(json.dumps({"vectors": [row.embedding for row in rows]}))
