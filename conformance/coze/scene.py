"""What the judges share: where Legate is and what it was furnished with, and how the original client is set up for it."""

import json
import logging
import os
import unittest
import urllib.request
from importlib.metadata import version

from coze_workload_identity import Client
from coze_workload_identity import client as module

VERSION = version("coze-workload-identity")
# From 0.1.3 on one cache serves the whole process, and the project is the token's.
IS_LATER = VERSION != "0.1.2"

with open(os.environ["LEGATE_SCENE"], encoding="utf-8") as file:
    scene = json.load(file)

# Failures are provoked here by the dozen.
logging.disable()


def ask(method, path, body=None):
    """Asks Legate's own wire, as the admin."""
    request = urllib.request.Request(
        f"{scene['url']}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {scene['adminKey']}", "content-type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def recorded(agent, action):
    """What the record tells of an agent's action, newest first."""
    return ask("GET", f"/v1/audit-events?agent={scene['agents'][agent]['id']}&action={action}&limit=500")["items"]


def environment(agent="reader", **changes):
    """The variables by which the original is pointed at Legate; None takes one away."""
    token = f"{scene['url']}/coze/token"
    given = {
        "COZE_WORKLOAD_IDENTITY_CLIENT_ID": scene["agents"][agent]["clientId"],
        "COZE_WORKLOAD_IDENTITY_CLIENT_SECRET": scene["agents"][agent]["clientSecret"],
        "COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT": token,
        "COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT": token,
        "COZE_OUTBOUND_AUTH_ENDPOINT": f"{scene['url']}/coze/secret",
        **changes,
    }
    return {name: value for name, value in given.items() if value is not None}


class Judged(unittest.TestCase):
    """Each test begins as a process does: with no variables of Coze's, and no token."""

    def setUp(self):
        for name in [name for name in os.environ if name.startswith("COZE_")]:
            del os.environ[name]
        for name in ("identity_ticket", "IDENTITY_TICKET", "agent_id", "pat_token", "skill_id"):
            os.environ.pop(name, None)
        forget()

    def client(self, agent="reader", **changes):
        """A client in this environment, with whatever its process remembers."""
        for name in [name for name in os.environ if name.startswith("COZE_")]:
            del os.environ[name]
        os.environ.update(environment(agent, **changes))
        made = Client()
        self.addCleanup(made.close)
        return made


def forget():
    """What a new process would not know."""
    if IS_LATER:
        module._global_token_cache = None


def variables_of(client, project=None):
    """The two versions are asked in two ways."""
    if IS_LATER:
        return client.get_project_env_vars()
    return client.get_project_env_vars(scene["project"] if project is None else project)


def greeting(client):
    return variables_of(client).get("GREETING")
