"""Every method of the original's IdentityClient, and the data plane below it."""

import asyncio
import json
import unittest
from datetime import datetime, timezone

from agent_identity_python_sdk.model import STSCredential
from alibabacloud_agentidentitydata20251127.models import (
    AssumeRoleForWorkloadIdentityRequest,
    GetResourceAPIKeyRequest,
    GetWorkloadAccessTokenForUserIdRequest,
)
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException

from scene import USES_STS, Judged, arn, ask, call, claims_of, log_in, name_of, owner_of, role_arn, scene, signing, workload_arn


def seconds_until(moment):
    return (datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)).total_seconds()


class Methods(Judged):
    def credential(self, wat, user_id=None, user_token=None):
        """What the decorators pass on: a temporary key, used only where the client uses STS."""
        return asyncio.run(self.client.get_sts_credential_client(wat, user_id, user_token))

    def api_key(self, provider, wat, **given):
        given = given or {"credential": self.credential(wat)}
        return asyncio.run(self.client.get_api_key(credential_provider_name=provider, agent_identity_token=wat, **given))

    def token(self, provider, wat, **given):
        given = {"credential": self.credential(wat), "poll_for_token": False, **given}
        return asyncio.run(self.client.get_token(credential_provider_name=provider, workload_identity_token=wat, **given))

    def test_create_workload_identity_makes_up_a_name(self):
        name = self.client.create_workload_identity()
        self.assertRegex(name, "^workload-[0-9a-f]{8}$")
        self.assertEqual(ask("GET", f"/v1/agents/{name}")["allowedReturnUrls"], [])

    def test_create_workload_identity_takes_role_return_urls_and_issuer(self):
        name = name_of("workload")
        made = self.client.create_workload_identity(name, role_arn("r"), ["http://app.example.com/a"], "people")
        self.assertEqual(made, name)
        agent = ask("GET", f"/v1/agents/{name}")
        self.assertEqual((agent["roleArn"], agent["allowedReturnUrls"], agent["issuer"]), (role_arn("r"), ["http://app.example.com/a"], "people"))

    def test_get_workload_access_token_for_the_workload_alone(self):
        name = self.make_workload()
        wat = self.client.get_workload_access_token(name)
        agent = ask("GET", f"/v1/agents/{name}")
        self.assertEqual(claims_of(wat)["sub"], agent["id"])
        body = self.data("get_workload_access_token", workload_identity_name=name)
        self.assertEqual((body["WorkloadAccessToken"], body["WorkloadIdentityArn"]), (wat, workload_arn(name)))

    def test_get_workload_access_token_for_a_user_id(self):
        name = self.make_workload()
        wat = self.client.get_workload_access_token(name, user_id="alice")
        self.assertNotEqual(claims_of(wat)["sub"], ask("GET", f"/v1/agents/{name}")["id"])
        body = self.data("get_workload_access_token_for_user_id", workload_identity_name=name, user_id="alice")
        self.assertEqual(body["UserContext"], {"UserId": "alice"})
        # One token until it is nearly spent: else the original's cache of temporary keys never hits.
        self.assertEqual((body["WorkloadAccessToken"], body["WorkloadIdentityArn"]), (wat, workload_arn(name)))
        self.assertNotEqual(self.client.get_workload_access_token(name, user_id="bob"), wat)

    def test_get_workload_access_token_for_a_users_token_which_goes_before_a_user_id(self):
        name = self.make_workload(identity_provider_name="people")
        token = log_in("alice")
        wat = self.client.get_workload_access_token(name, user_token=token, user_id="somebody else")
        body = self.data("get_workload_access_token_for_jwt", workload_identity_name=name, user_token=token)
        claims = body["UserContext"]["JwtClaims"]
        self.assertEqual((claims["Issuer"], claims["Subject"], claims["Audiences"]), (scene["provider"], "alice", scene["loginClient"]))
        self.assertEqual((body["WorkloadAccessToken"], body["WorkloadIdentityArn"]), (wat, workload_arn(name)))
        self.assertEqual(self.client.get_workload_access_token(name, user_token=log_in("alice")), wat)

    def test_assume_role_for_workload_identity(self):
        name = self.make_workload(identity_provider_name="people")
        wat = self.client.get_workload_access_token(name, user_token=log_in("alice"))
        credential = asyncio.run(self.client.assume_role_for_workload_identity(workload_token=wat, role_session_name="my-session"))
        self.assertIsInstance(credential, STSCredential)
        self.assertAlmostEqual(seconds_until(credential.expiration), 3600, delta=60)
        self.assertEqual(len({credential.access_key_id, credential.access_key_secret, credential.security_token}), 3)

        body = self.data("assume_role_for_workload_identity", workload_access_token=wat, role_session_name="my-session", duration_seconds=900)
        self.assertAlmostEqual(seconds_until(body["Credentials"]["Expiration"]), 900, delta=60)
        role = f"AgentIdentityRole-{name}"
        self.assertEqual(body["AssumedRoleUser"]["Arn"], f"acs:sts::{scene['account']}:assumed-role/{role}/my-session")
        self.assertTrue(body["AssumedRoleUser"]["AssumedRoleId"].endswith(":my-session"))
        context = body["WorkloadContextInfo"]
        self.assertEqual(context["WorkloadIdentityArn"], workload_arn(name))
        self.assertEqual(context["UserContext"]["JwtClaims"]["Subject"], "alice")
        asserted = self.client.get_workload_access_token(name, user_id="carol")
        body = self.data("assume_role_for_workload_identity", workload_access_token=asserted, role_session_name="session")
        self.assertEqual(body["WorkloadContextInfo"]["UserContext"], {"UserId": "carol"})

    def test_a_role_is_assumed_for_fifteen_minutes_to_twelve_hours(self):
        wat = self.client.get_workload_access_token(self.make_workload())
        for seconds in (900, 43200):
            body = self.data("assume_role_for_workload_identity", workload_access_token=wat, role_session_name="session", duration_seconds=seconds)
            self.assertAlmostEqual(seconds_until(body["Credentials"]["Expiration"]), seconds, delta=60)
        for seconds in (0, 899, 43201):
            with self.assertRaises(AlibabaCloudException) as caught:
                self.data("assume_role_for_workload_identity", workload_access_token=wat, role_session_name="session", duration_seconds=seconds)
            self.assertEqual((caught.exception.status_code, caught.exception.code), (400, "InvalidParameter.DurationSeconds"))

    def test_a_session_policy_narrows_and_never_widens(self):
        provider, other = self.make_api_key("one"), self.make_api_key("two")
        wat = self.client.get_workload_access_token(self.make_workload())
        allow = {"Effect": "Allow", "Action": "agentidentitydata:GetResourceAPIKey", "Resource": ["*"]}
        only = {**allow, "Resource": [workload_arn("*"), arn(f"tokenvault/default/apikeycredentialprovider/{provider}")]}

        def spend(policy, name):
            client = self.spender(wat, policy=json.dumps({"Version": "1", "Statement": policy}))
            asked = {"resource_credential_provider_name": name, "workload_access_token": wat}
            return self.answered(call(client, "get_resource_apikey", **asked))["APIKey"]

        self.assertEqual(spend([allow], provider), "one")
        self.assertEqual(spend([only], provider), "one")
        for policy, name in (([only], other), ([{**allow, "Effect": "Deny"}], provider), ([allow, {**only, "Effect": "Deny"}], provider)):
            self.refused(403, "NoPermission", lambda policy=policy, name=name: spend(policy, name))

    def test_get_sts_credential_client_is_cached_by_the_token(self):
        wat = self.client.get_workload_access_token(self.make_workload(), user_id="alice")
        first, second = self.credential(wat, "alice"), self.credential(wat, "alice")
        self.assertEqual(first.get_credential().access_key_id, second.get_credential().access_key_id)
        self.assertEqual(first.get_credential().type, "sts")
        self.assertNotEqual(self.credential(wat).get_credential().access_key_id, first.get_credential().access_key_id)

    def test_get_api_key(self):
        provider = self.make_api_key("sk-仓库 🔑 'quoted'")
        wat = self.client.get_workload_access_token(self.make_workload(), user_id="alice")
        self.assertEqual(self.api_key(provider, wat), "sk-仓库 🔑 'quoted'")

    def test_get_token_for_the_workload_itself(self):
        provider = self.make_provider("openid read write")
        wat = self.client.get_workload_access_token(self.make_workload())
        token = self.token(provider, wat, scopes=["read"], auth_flow="M2M")
        owner = owner_of(token)
        self.assertNotIn("user", owner)
        self.assertEqual(owner["scopes"], ["read"])
        self.assertEqual(self.token(provider, wat, scopes=["read"], auth_flow="M2M"), token)
        # Without a flow the server sees that there is no user.
        self.assertEqual(self.token(provider, wat, scopes=["read"]), token)
        self.assertEqual(owner_of(self.token(provider, wat, scopes=["write"], auth_flow="M2M"))["scopes"], ["write"])
        # A user in the token does not make it another's.
        asserted = self.client.get_workload_access_token(claims_name(wat), user_id="alice")
        self.assertNotIn("user", owner_of(self.token(provider, asserted, scopes=["read"], auth_flow="M2M")))

    def test_the_whole_answer_tells_how_long_a_token_lives(self):
        provider = self.make_provider()
        wat = self.client.get_workload_access_token(self.make_workload())
        client = self.spender(wat) if USES_STS else self.client.data_client
        asked = {"resource_credential_provider_name": provider, "workload_access_token": wat, "scopes": ["read"], "oauth2_flow": "M2M"}
        body = self.answered(call(client, "get_resource_oauth2_token", **asked))
        self.assertAlmostEqual(body["ExpiresIn"], 600, delta=30)
        self.assertEqual(set(body), {"RequestId", "AccessToken", "ExpiresIn"})

    def test_the_generated_client_asks_without_blocking_too(self):
        name, key = self.make_workload(), self.make_api_key("the key")

        async def main():
            client = self.client.data_client
            asked = GetWorkloadAccessTokenForUserIdRequest(workload_identity_name=name, user_id="alice")
            wat = self.answered(await client.get_workload_access_token_for_user_id_async(asked))["WorkloadAccessToken"]
            asked = AssumeRoleForWorkloadIdentityRequest(workload_access_token=wat, role_session_name="session")
            pair = self.answered(await client.assume_role_for_workload_identity_async(asked))["Credentials"]
            del pair["Expiration"]
            asked = GetResourceAPIKeyRequest(resource_credential_provider_name=key, workload_access_token=wat)
            return await asyncio.gather(*(signing(**pair).get_resource_apikey_async(asked) for _ in range(5)))

        self.assertEqual([self.answered(response)["APIKey"] for response in asyncio.run(main())], ["the key"] * 5)

    @unittest.skipUnless(USES_STS, "the other way signs with the caller's own key")
    def test_with_sts_and_no_credential_nothing_is_asked(self):
        wat = self.client.get_workload_access_token(self.make_workload())
        with self.assertRaises(AlibabaCloudException) as caught:
            self.api_key(self.make_api_key(), wat, credential=None)
        self.assertEqual(caught.exception.code, "InvalidCredentials")

    @unittest.skipIf(USES_STS, "the other way signs with a temporary key")
    def test_without_sts_a_workload_needs_no_role_at_its_own_methods(self):
        name = name_of("workload")
        self.control("create_workload_identity", workload_identity_name=name)
        wat = self.client.get_workload_access_token(name)
        self.assertEqual(self.api_key(self.make_api_key(), wat, credential=None), "a key")


def claims_name(wat):
    """The name of the agent that this token is for."""
    claims = claims_of(wat)
    agent = claims.get("act", {}).get("sub", claims["sub"])
    return ask("GET", f"/v1/agents/{agent}")["name"]
