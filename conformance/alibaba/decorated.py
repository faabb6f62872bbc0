"""Every decorator of the original, around functions of both kinds: rebound to Legate's address as its users would, or as it is behind a proxy."""

import asyncio
import functools
import inspect
import json
import os
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent_identity_python_sdk import AgentIdentityContext, IdentityClient
from agent_identity_python_sdk.core import decorators
from agent_identity_python_sdk.model import STSCredential

from scene import REGION, USES_STS, WAY, Judged, claims_of, log_in, owner_of, seen

if WAY:
    # The one line that an application adds before its tools are imported.
    decorators.IdentityClient = functools.partial(IdentityClient, data_api_endpoint=WAY, control_api_endpoint=WAY)

from agent_identity_python_sdk import (  # noqa: E402
    requires_access_token,
    requires_api_key,
    requires_sts_token,
    requires_workload_access_token,
)

KINDS = ("sync", "async")


def decorate(decorator, kind):
    """The smallest function that hands out what it was given, decorated; called without arguments."""
    if kind == "sync":

        @decorator
        def tool(**given):
            return given

        return tool

    @decorator
    async def tool_async(**given):
        await asyncio.sleep(0)
        return given

    return lambda **given: asyncio.run(tool_async(**given))


class Decorated(Judged):
    def setUp(self):
        super().setUp()
        self.workload = self.make_workload()
        os.environ["AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME"] = self.workload
        seen()

    def tearDown(self):
        AgentIdentityContext.clear()
        Path(".config.json").unlink(missing_ok=True)

    def given(self, decorator):
        """What both kinds of function are given."""
        for kind in KINDS:
            with self.subTest(kind):
                yield decorate(decorator, kind)()

    def test_requires_workload_access_token(self):
        for given in self.given(requires_workload_access_token()):
            self.assertNotIn("act", claims_of(given["workload_access_token"]))
        AgentIdentityContext.set_user_id("alice")
        tokens = [given["mine"] for given in self.given(requires_workload_access_token(inject_param_name="mine"))]
        self.assertIn("act", claims_of(tokens[0]))
        self.assertEqual(tokens[0], tokens[1])

    def test_requires_api_key(self):
        provider = self.make_api_key("the key")
        AgentIdentityContext.set_user_id("alice")
        for given in self.given(requires_api_key(credential_provider_name=provider)):
            self.assertEqual(given, {"api_key": "the key"})
        for given in self.given(requires_api_key(credential_provider_name=provider, inject_param_name="secret")):
            self.assertEqual(given, {"secret": "the key"})

    def test_requires_sts_token(self):
        policy = json.dumps({"Version": "1", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
        for given in self.given(requires_sts_token(session_duration=900, policy=policy)):
            self.assertIsInstance(given["sts_credential"], STSCredential)
        for given in self.given(requires_sts_token(inject_param_name="mine")):
            self.assertTrue(given["mine"].security_token)

    def test_requires_access_token_for_the_workload_itself(self):
        provider = self.make_provider()
        # The user of the context is not the flow's.
        AgentIdentityContext.set_user_id("alice")
        wanted = requires_access_token(credential_provider_name=provider, scopes=["read"], auth_flow="M2M")
        for given in self.given(wanted):
            self.assertNotIn("user", owner_of(given["access_token"]))

    def test_a_value_that_the_caller_passed_is_overwritten(self):
        provider = self.make_api_key("the key")
        for kind in KINDS:
            self.assertEqual(decorate(requires_api_key(credential_provider_name=provider), kind)(api_key="mine", x=1), {"api_key": "the key", "x": 1})

    def test_a_sync_function_inside_a_running_loop(self):
        provider = self.make_api_key("the key")
        tool = decorate(requires_api_key(credential_provider_name=provider), "sync")

        async def main():
            AgentIdentityContext.set_user_id("alice")
            return tool()

        self.assertEqual(asyncio.run(main()), {"api_key": "the key"})

    def test_the_function_keeps_its_name_and_its_signature(self):
        @requires_api_key(credential_provider_name="p")
        def documented(city: str, api_key: str = "") -> str:
            """Says it."""

        self.assertEqual((documented.__name__, documented.__doc__), ("documented", "Says it."))
        self.assertEqual(list(inspect.signature(documented).parameters), ["city", "api_key"])

    def test_two_at_once_have_each_their_own_context(self):
        tool = decorate(requires_workload_access_token(), "sync")
        both = threading.Barrier(2)

        def asked(user):
            AgentIdentityContext.set_user_id(user)
            both.wait()
            token = tool()["workload_access_token"]
            AgentIdentityContext.clear()
            return claims_of(token)["sub"]

        with ThreadPoolExecutor(2) as pool:
            alice, bob = pool.map(asked, ("alice", "bob"))
        self.assertNotEqual(alice, bob)

        async def task(user):
            AgentIdentityContext.set_user_id(user)
            return claims_of((await wrapped())["workload_access_token"])["sub"]

        @requires_workload_access_token()
        async def wrapped(**given):
            return given

        async def both_tasks():
            return await asyncio.gather(task("alice"), task("bob"))

        self.assertEqual(asyncio.run(both_tasks()), [alice, bob])

    def test_the_users_token_says_who_the_user_is_and_a_text_that_is_none_is_passed_over(self):
        os.environ["AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME"] = self.make_workload(identity_provider_name="people")
        tool = decorate(requires_workload_access_token(), "sync")
        subject = lambda: claims_of(tool()["workload_access_token"])["sub"]
        AgentIdentityContext.set_user_id("alice")
        asserted = subject()
        AgentIdentityContext.set_user_token(log_in("alice"))
        proven = subject()
        self.assertNotEqual(proven, asserted)
        AgentIdentityContext.set_user_token("no token")
        self.assertEqual(subject(), asserted)

    def test_a_token_that_is_there_already_is_used(self):
        provider = self.make_api_key("the key")
        tool = decorate(requires_api_key(credential_provider_name=provider), "sync")
        token = self.client.get_workload_access_token(self.workload, user_id="alice")
        os.environ["AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME"] = "there is no such workload"
        AgentIdentityContext.set_workload_access_token(token)
        self.assertEqual(tool(), {"api_key": "the key"})
        AgentIdentityContext.clear()
        os.environ["AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN"] = token
        self.assertEqual(tool(), {"api_key": "the key"})

    def test_the_workloads_name_is_kept_in_the_file_and_made_up_where_there_is_none(self):
        del os.environ["AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME"]
        tool = decorate(requires_workload_access_token(), "sync")
        first = tool()["workload_access_token"]
        name = json.loads(Path(".config.json").read_text())["workload_identity_name"]
        self.assertRegex(name, "^workload-[0-9a-f]{8}$")
        self.assertEqual(tool()["workload_access_token"], first)
        self.assertEqual(json.loads(Path(".config.json").read_text()), {"workload_identity_name": name})
        # It has no role, so that it can have tokens and nothing else.
        self.refused(400, "MissingRoleArn", decorate(requires_sts_token(), "sync"))
        Path(".config.json").write_text(json.dumps({"workload_identity_name": self.workload}))
        self.assertEqual(
            claims_of(tool()["workload_access_token"])["sub"], claims_of(self.client.get_workload_access_token(self.workload))["sub"]
        )

    def test_a_decorated_call_makes_two_requests_once_it_is_warm(self):
        provider = self.make_api_key("the key")
        AgentIdentityContext.set_user_id("alice")
        tool = decorate(requires_api_key(credential_provider_name=provider), "sync")
        seen()
        tool()
        cold = seen()
        tool()
        warm = seen()
        token, role, key = "GetWorkloadAccessTokenForUserId", "AssumeRoleForWorkloadIdentity", "GetResourceAPIKey"
        self.assertEqual([one["action"] for one in cold], [token, role, key])
        self.assertEqual([one["action"] for one in warm], [token, key])
        self.assertEqual({one["status"] for one in cold + warm}, {200})
        self.assertIsNone(cold[1].get("key"))
        self.assertEqual(warm[1]["key"].startswith("tk_"), USES_STS)

    @unittest.skipIf(WAY, "only the proxy is asked for the cloud's own addresses")
    def test_behind_a_proxy_the_clouds_own_addresses_are_asked_for(self):
        decorate(requires_workload_access_token(), "sync")()
        self.assertEqual([one["host"] for one in seen()], [f"agentidentitydata.{REGION}.aliyuncs.com"])
