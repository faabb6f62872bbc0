"""The original command line, whole: its calls to Agent Identity, RAM and STS go to the cloud's own addresses, through a proxy that ends their TLS here."""

import asyncio
import inspect
import json
import os
import re
import subprocess
import sys

from alibabacloud_ram20150501 import models as ram_models
from alibabacloud_ram20150501.client import Client as RamClient
from alibabacloud_sts20150401.client import Client as StsClient

from scene import ACCOUNT, REGION, URL, Judged, ask, arn, call, name_of, role_arn, scene, seen, signing, workload_arn

PROXY = json.loads(os.environ["LEGATE_BEHIND_PROXY"])


def run(*arguments, **env):
    """The command line's exit code and what it said, on a terminal that is wide enough for whole ARNs."""
    told = {**os.environ, **PROXY, "COLUMNS": "300", "PYTHONWARNINGS": "ignore", **env}
    done = subprocess.run(
        [sys.executable, "-m", "agent_identity_cli.cli", *arguments], env=told, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def ram(operation, **fields):
    """A call of the generated RAM client, straight to Legate."""
    pair = scene["keys"]["admin"]
    client = signing(AccessKeyId=pair["accessKeyId"], AccessKeySecret=pair["accessKeySecret"], way=URL, kind=RamClient)
    method = getattr(client, operation)
    request = inspect.signature(method).parameters["request"].annotation.split(".")[-1]
    return method(getattr(ram_models, request)(**fields)).body.to_map()


def row(said, name):
    """The value beside a name in the table it prints."""
    return re.search(rf"{name}\s+(\S+)", said).group(1)


class Commands(Judged):
    def setUp(self):
        super().setUp()
        seen()

    def actions(self):
        return [one["action"] for one in seen()]

    def documents(self, said):
        """The two JSON documents that it prints whole."""
        _, after = said.split("Trust Policy:")
        trust, permission = after.split("Permission Policy:")
        return json.loads(trust), json.loads(permission)

    def has_role(self, name):
        try:
            return ram("get_role", role_name=name)["Role"]
        except Exception as error:
            self.assertEqual(error.code, "EntityNotExist.Role")
            return None

    def has_policy(self, name):
        try:
            return ram("get_policy", policy_name=name, policy_type="Custom")["Policy"]
        except Exception as error:
            self.assertEqual(error.code, "EntityNotExist.Policy")
            return None

    def test_create_role_for_one_workload_and_its_use(self):
        workload = name_of("workload")
        code, said, _ = run("create-role", "--workload-identity-name", workload)
        self.assertEqual(code, 0, said)
        role, policy = f"AgentIdentityRole-{workload}", f"AgentIdentityPolicy-AgentIdentityRole-{workload}"
        self.assertEqual((row(said, "Role Name"), row(said, "Role ARN"), row(said, "Policy Name")), (role, role_arn(role), policy))
        self.assertEqual(self.actions(), ["GetCallerIdentity", "CreateRole", "CreatePolicy", "AttachPolicyToRole"])
        trust, permission = self.documents(said)
        kept = self.has_role(role)
        self.assertEqual(json.loads(kept["AssumeRolePolicyDocument"]), trust)
        self.assertEqual(kept["Arn"], role_arn(role))
        self.assertIn(workload, kept["Description"])
        self.assertEqual(self.has_policy(policy)["PolicyName"], policy)
        self.assertEqual(
            permission["Statement"][1]["Resource"], [workload_arn(workload), arn("tokenvault/default/apikeycredentialprovider/*")]
        )

        # The workload that it is for may take it on, and has what the policy permits; another may not.
        key = self.make_api_key("by a role")
        self.make_workload(name=workload, role_arn=role_arn(role))
        wat = self.client.get_workload_access_token(workload, user_id="alice")
        credential = asyncio.run(self.client.get_sts_credential_client(wat, "alice", None))
        got = asyncio.run(self.client.get_api_key(credential_provider_name=key, agent_identity_token=wat, credential=credential))
        self.assertEqual(got, "by a role")
        other = self.client.get_workload_access_token(self.make_workload(role_arn=role_arn(role)))
        self.refused(403, "NoPermission", lambda: asyncio.run(self.client.get_sts_credential_client(other, None, None)))

        # Its policy names the default vault; what stands elsewhere is none of it. Without the policy it permits nothing.
        vault = name_of("vault")
        self.control("create_token_vault", token_vault_name=vault)
        self.control("create_apikey_credential_provider", apikey_credential_provider_name=key, apikey="k", token_vault_name=vault)
        asked = {"resource_credential_provider_name": key, "workload_access_token": wat}
        spender = self.spender(wat)
        self.refused(403, "NoPermission", lambda: call(spender, "get_resource_apikey", token_vault_name=vault, **asked))
        self.assertEqual(self.answered(call(spender, "get_resource_apikey", **asked))["APIKey"], "by a role")
        ram("detach_policy_from_role", role_name=role, policy_name=policy, policy_type="Custom")
        self.refused(403, "NoPermission", lambda: call(spender, "get_resource_apikey", **asked))

    def test_create_role_for_any_workload_under_a_name_of_ones_own(self):
        name = name_of("role")
        code, said, _ = run("create-role", "--role-name", name)
        self.assertEqual(code, 0, said)
        trust, _ = self.documents(said)
        self.assertNotIn("Condition", trust["Statement"][0])
        wat = self.client.get_workload_access_token(self.make_workload(role_arn=role_arn(name)))
        asyncio.run(self.client.get_sts_credential_client(wat, None, None))

    def test_create_role_makes_up_a_name(self):
        code, said, _ = run("create-role")
        self.assertEqual(code, 0, said)
        self.assertRegex(row(said, "Role Name"), "^AgentIdentityRole-[0-9a-f]{8}$")

    def test_create_role_where_the_role_is_there_already(self):
        name = name_of("role")
        self.assertEqual(run("create-role", "--role-name", name)[0], 0)
        code, said, _ = run("create-role", "--role-name", name)
        self.assertEqual(code, 1)
        self.assertIn("EntityAlreadyExists.Role", said)
        self.assertIsNotNone(self.has_role(name))

    def test_create_role_is_rolled_back_where_the_policy_is_there_already(self):
        name = name_of("role")
        policy = f"AgentIdentityPolicy-{name}"
        document = {"Version": "1", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
        ram("create_policy", policy_name=policy, policy_document=json.dumps(document))
        seen()
        code, said, _ = run("create-role", "--role-name", name)
        self.assertEqual(code, 1)
        self.assertIn("EntityAlreadyExists.Policy", said)
        self.assertEqual(self.actions(), ["CreateRole", "GetCallerIdentity", "CreatePolicy", "DeleteRole"])
        self.assertIsNone(self.has_role(name))
        self.assertIsNotNone(self.has_policy(policy))

    def test_create_workload_identity_with_a_role_of_its_own(self):
        name = name_of("workload")
        urls = "http://app.example.com/a, https://app.example.com/b ,,"
        code, said, _ = run(
            "create-workload-identity",
            "--workload-identity-name", name, "--identity-provider-name", "people", "--allowed-resource-oauth2-return-urls", urls,
        )  # fmt: skip
        self.assertEqual(code, 0, said)
        role = f"AgentIdentityRole-{name}"
        self.assertEqual((row(said, "Workload Identity ARN"), row(said, "Role ARN")), (workload_arn(name), role_arn(role)))
        self.assertEqual(
            self.actions(), ["GetCallerIdentity", "CreateRole", "CreatePolicy", "AttachPolicyToRole", "CreateWorkloadIdentity"]
        )
        agent = ask("GET", f"/v1/agents/{name}")
        self.assertEqual((agent["roleArn"], agent["issuer"]), (role_arn(role), "people"))
        self.assertEqual(agent["allowedReturnUrls"], ["http://app.example.com/a", "https://app.example.com/b"])
        self.assertEqual(agent["description"], f"Workload identity for {name}")
        wat = self.client.get_workload_access_token(name)
        asyncio.run(self.client.get_sts_credential_client(wat, None, None))

    def test_create_workload_identity_with_a_role_that_is_there(self):
        name, role = name_of("workload"), name_of("role")
        for endpoint in ({}, {"AGENT_IDENTITY_ENDPOINT": scene["plain"], "HTTPS_PROXY": "", "https_proxy": ""}):
            code, said, _ = run(
                "create-workload-identity", "--workload-identity-name", name, "--associated-role-arn", role_arn(role), **endpoint
            )
            self.assertEqual(code, 0, said)
            self.assertNotIn("Trust Policy", said)
            [one] = seen()
            self.assertEqual(one["action"], "CreateWorkloadIdentity")
            self.assertEqual(one["host"], scene["plain"] if endpoint else f"agentidentity.{REGION}.aliyuncs.com")
            self.control("delete_workload_identity", workload_identity_name=name)

    def test_create_workload_identity_that_fails_takes_its_role_back(self):
        name = name_of("workload")
        code, said, _ = run("create-workload-identity", "--workload-identity-name", name, "--identity-provider-name", "nobody")
        self.assertEqual(code, 1)
        self.assertIn("EntityNotExists.IdentityProvider", said)
        self.assertEqual(
            self.actions(),
            [
                "GetCallerIdentity",
                "CreateRole",
                "CreatePolicy",
                "AttachPolicyToRole",
                "CreateWorkloadIdentity",
                "DetachPolicyFromRole",
                "DeletePolicy",
                "DeleteRole",
            ],
        )
        self.assertIsNone(self.has_role(f"AgentIdentityRole-{name}"))
        self.assertIsNone(self.has_policy(f"AgentIdentityPolicy-AgentIdentityRole-{name}"))
        self.refused(
            404, "EntityNotExists.WorkloadIdentity", lambda: self.control("get_workload_identity", workload_identity_name=name)
        )
        # And it can be had afterwards.
        self.assertEqual(run("create-workload-identity", "--workload-identity-name", name)[0], 0)

    def test_its_exit_codes(self):
        self.assertEqual(run()[0], 1)
        self.assertEqual(run("create-workload-identity")[0], 2)
        self.assertEqual(run("no-such-command")[0], 2)
        self.assertEqual(run("--help")[0], 0)
        code, said, _ = run("create-role", ALIBABA_CLOUD_ACCESS_KEY_SECRET="wrong")
        self.assertEqual(code, 1)
        self.assertIn("SignatureDoesNotMatch", said)

    def test_who_one_is(self):
        for key, kind in (("admin", "operator"), ("bound", "agent")):
            pair = scene["keys"][key]
            client = signing(AccessKeyId=pair["accessKeyId"], AccessKeySecret=pair["accessKeySecret"], way=URL, kind=StsClient)
            body = client.get_caller_identity().body.to_map()
            self.assertEqual(body["AccountId"], ACCOUNT, kind)
            self.assertTrue(body["Arn"])
