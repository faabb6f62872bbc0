"""A key that is bound to one agent, by the original; and a tenant of its own, at an address with a path."""

import asyncio

from agent_identity_python_sdk import IdentityClient
from alibabacloud_agentidentity20250901.client import Client as ControlClient

from scene import REGION, URL, Judged, ask, call, fetch, name_of, role_arn, signing


class OwnKey(Judged):
    def test_it_has_tokens_and_credentials_of_its_own_agent(self):
        name = name_of("key")
        ask("POST", "/v1/credential-providers", {"name": name, "type": "api_key", "apiKey": "a key"})
        wat = self.client.get_workload_access_token("bound", user_id="alice")
        credential = asyncio.run(self.client.get_sts_credential_client(wat, "alice", None))
        got = asyncio.run(self.client.get_api_key(credential_provider_name=name, agent_identity_token=wat, credential=credential))
        self.assertEqual(got, "a key")

    def test_it_has_nothing_of_another_agent_and_changes_nothing(self):
        other = name_of("other")
        ask("POST", "/v1/agents", {"name": other})
        self.refused(403, "NoPermission", lambda: self.client.get_workload_access_token(other))
        self.refused(403, "NoPermission", lambda: self.client.create_workload_identity())
        self.refused(403, "NoPermission", lambda: self.control("delete_workload_identity", workload_identity_name="bound"))
        self.refused(403, "NoPermission", lambda: self.control("list_workload_identities"))
        self.assertEqual(ask("GET", "/v1/agents/bound")["status"], "active")

    def test_it_spends_no_other_agents_token(self):
        other, key = name_of("other"), name_of("key")
        ask("POST", "/v1/agents", {"name": other})
        ask("POST", "/v1/credential-providers", {"name": key, "type": "api_key", "apiKey": "a key"})
        wat = ask("POST", "/v1/workload-tokens", {"agent": other, "userId": "alice"})["token"]
        asked = {"resource_credential_provider_name": key, "workload_access_token": wat}
        self.refused(401, "InvalidParameter.WorkloadAccessToken", lambda: call(self.client.data_client, "get_resource_apikey", **asked))
        own = {**asked, "workload_access_token": self.client.get_workload_access_token("bound", user_id="alice")}
        self.assertEqual(self.answered(call(self.client.data_client, "get_resource_apikey", **own))["APIKey"], "a key")


class Tenants(Judged):
    """The original signs the path `/`, whatever its endpoint's path is."""

    def test_a_tenants_key_at_the_tenants_address_and_without_it(self):
        tenant = f"t{name_of('x')[2:]}"
        admin = ask("POST", "/v1/tenants", {"name": tenant})["adminKey"]
        key = fetch(f"{URL}/v1/access-keys", {}, {"authorization": f"Bearer {admin}"})
        pair = {"AccessKeyId": key["accessKeyId"], "AccessKeySecret": key["accessKeySecret"]}
        for way in (f"{URL}/t/{tenant}", f"{URL}/t/{tenant}/", URL):
            client = signing(**pair, way=way, kind=ControlClient)
            name = name_of("workload")
            made = self.answered(call(client, "create_workload_identity", workload_identity_name=name))
            self.assertNotIn(f":{ask('GET', '/v1/tenants/default')['accountId']}:", made["WorkloadIdentity"]["WorkloadIdentityArn"])
        self.assertEqual(self.answered(call(client, "list_workload_identities"))["TotalCount"], 3)
        foreign = signing(**pair, way=f"{URL}/t/nobody", kind=ControlClient)
        with self.assertRaises(Exception):
            call(foreign, "list_workload_identities")

    def test_a_tenants_own_address_serves_the_original_whole(self):
        tenant = f"t{name_of('x')[2:]}"
        admin = ask("POST", "/v1/tenants", {"name": tenant})["adminKey"]
        told = {"authorization": f"Bearer {admin}"}
        fetch(f"{URL}/v1/agents", {"name": "bound", "roleArn": role_arn("elsewhere")}, told)
        fetch(f"{URL}/v1/credential-providers", {"name": "k", "type": "api_key", "apiKey": "the tenant's"}, told)
        way = f"{URL}/t/{tenant}"
        client = IdentityClient(REGION, data_api_endpoint=way, control_api_endpoint=way)
        # The key of this process is the default tenant's.
        self.refused(401, "InvalidAccessKeyId.NotFound", lambda: client.get_workload_access_token("bound"))
        key = fetch(f"{URL}/v1/access-keys", {"rights": {"agent": "bound"}}, told)
        own = signing(AccessKeyId=key["accessKeyId"], AccessKeySecret=key["accessKeySecret"], way=way)
        wat = self.answered(call(own, "get_workload_access_token", workload_identity_name="bound"))["WorkloadAccessToken"]
        assumed = self.answered(call(client.data_client, "assume_role_for_workload_identity", workload_access_token=wat, role_session_name="session"))
        pair = {name: assumed["Credentials"][name] for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken")}
        asked = {"resource_credential_provider_name": "k", "workload_access_token": wat}
        self.assertEqual(self.answered(call(signing(**pair, way=way), "get_resource_apikey", **asked))["APIKey"], "the tenant's")
