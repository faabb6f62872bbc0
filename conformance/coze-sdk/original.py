"""Asks the original client what it is told to, and writes down what came of each: a value, or an error's class and text."""

import json
import logging
import os
import sys

from coze_workload_identity import Client, HttpsProxy, load_skill_env
from coze_workload_identity import client as module

# What it logs of each failure is not what is compared.
logging.disable()


def outcome_of(asked):
    for name in [name for name in os.environ if name.startswith("COZE_")] + ["agent_id", "pat_token", "skill_id"]:
        os.environ.pop(name, None)
    os.environ.pop("identity_ticket", None)
    os.environ.update(asked["env"])
    before = dict(os.environ)
    # The cache is one for the process whoever asks: without this the first identity's token would serve all.
    module._global_token_cache = None
    call = asked["call"]
    if call == "proxy":
        return HttpsProxy()
    if call == "skill":
        loaded = load_skill_env(asked["source"], force=True)
        return {"loaded": loaded, "set": {k: v for k, v in os.environ.items() if before.get(k) != v}}
    with Client(timeout=5) as client:
        if call == "token":
            return len(client.get_access_token()) > 0
        if call == "integration":
            return client.get_integration_credential(asked["name"])
        return client.get_project_env_vars().to_dict()


def told(asked):
    try:
        return {"value": outcome_of(asked)}
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error)}


with open(sys.argv[1], encoding="utf-8") as file:
    questions = json.load(file)
answers = [told(asked) for asked in questions]
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(answers, file)
