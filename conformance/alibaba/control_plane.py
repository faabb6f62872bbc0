"""The control plane through the generated client: five operations of each noun."""

from alibabacloud_agentidentity20250901 import models

from scene import Judged, ask, arn, call, config_of, name_of, role_arn, scene, workload_arn

MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"


class ControlPlane(Judged):
    def all_of(self, operation, listed, size=2, **fields):
        """Pages through a list as the sample does, to the token that is not there; answers what it held."""
        found, token, totals = [], None, set()
        for _ in range(200):
            page = self.control(operation, max_results=size, **({} if token is None else {"next_token": token}), **fields)
            self.assertEqual(page["MaxResults"], size)
            self.assertLessEqual(len(page[listed]), size)
            totals.add(page["TotalCount"])
            found += page[listed]
            token = page.get("NextToken")
            self.assertNotEqual(token, "")
            if token is None:
                self.assertEqual(totals, {len(found)})
                return found
        self.fail("The list has no end.")

    def assert_moments(self, thing, *names):
        for name in names:
            self.assertRegex(thing[name], MOMENT)

    def assert_only_request_id(self, body):
        self.assertEqual(list(body), ["RequestId"])


class WorkloadIdentities(ControlPlane):
    def test_made_read_changed_and_deleted(self):
        name = name_of("workload")
        wanted = {
            "AllowedResourceOAuth2ReturnURLs": ["http://app.example.com/back", "https://app.example.com/back?x=1"],
            "AllowedConsentCallbackURLs": ["https://app.example.com/consent"],
            "Description": "Plans trips. 仓库 🔑",
            "IdentityProviderName": "people",
            "RoleArn": role_arn("somebody"),
            "SessionBindingEnabled": True,
            "SourceAgentArn": "acs:agentrun:cn-beijing:1:agent/a",
            "SourcePlatform": "AgentRun",
        }
        made = self.control(
            "create_workload_identity",
            workload_identity_name=name,
            allowed_resource_oauth2_return_urls=wanted["AllowedResourceOAuth2ReturnURLs"],
            allowed_consent_callback_urls=wanted["AllowedConsentCallbackURLs"],
            description=wanted["Description"],
            identity_provider_name="people",
            role_arn=wanted["RoleArn"],
            session_binding_enabled=True,
            source_agent_arn=wanted["SourceAgentArn"],
            source_platform=wanted["SourcePlatform"],
        )["WorkloadIdentity"]
        self.assert_moments(made, "CreateTime", "UpdateTime")
        whole = {**wanted, "WorkloadIdentityName": name, "WorkloadIdentityArn": workload_arn(name)}
        self.assertEqual({key: made[key] for key in whole}, whole)
        self.assertEqual(self.control("get_workload_identity", workload_identity_name=name)["WorkloadIdentity"], made)

        native = ask("GET", f"/v1/agents/{name}")
        self.assertEqual(native["binding"], "application")
        self.assertEqual(native["allowedReturnUrls"], wanted["AllowedResourceOAuth2ReturnURLs"])
        self.assertEqual((native["issuer"], native["roleArn"]), ("people", wanted["RoleArn"]))

        self.assert_only_request_id(
            self.control(
                "update_workload_identity",
                workload_identity_name=name,
                description="",
                allowed_resource_oauth2_return_urls=[],
                # This one is a text in the generated client.
                session_binding_enabled="false",
                role_arn=role_arn("somebody-else"),
            )
        )
        changed = self.control("get_workload_identity", workload_identity_name=name)["WorkloadIdentity"]
        self.assertIs(changed["SessionBindingEnabled"], False)
        self.assertEqual(changed.get("Description", ""), "")
        self.assertEqual(changed["AllowedResourceOAuth2ReturnURLs"], [])
        self.assertEqual(changed["RoleArn"], role_arn("somebody-else"))
        # What was left out stays.
        for key in ("IdentityProviderName", "AllowedConsentCallbackURLs", "SourceAgentArn", "SourcePlatform", "CreateTime"):
            self.assertEqual(changed[key], made[key])
        self.assertEqual(ask("GET", f"/v1/agents/{name}")["binding"], "none")

        self.assert_only_request_id(self.control("delete_workload_identity", workload_identity_name=name))
        for operation in ("get_workload_identity", "delete_workload_identity", "update_workload_identity"):
            self.refused(
                404,
                "EntityNotExists.WorkloadIdentity",
                lambda operation=operation: self.control(operation, workload_identity_name=name),
            )

    def test_with_nothing_but_a_name_and_only_once(self):
        name = name_of("workload")
        made = self.control("create_workload_identity", workload_identity_name=name)["WorkloadIdentity"]
        for key in ("RoleArn", "IdentityProviderName"):
            self.assertNotIn(key, made)
        self.assertIs(made["SessionBindingEnabled"], True)
        self.assertNotIn("binding", ask("GET", f"/v1/agents/{name}"))
        self.refused(
            409,
            "EntityAlreadyExists.WorkloadIdentity",
            lambda: self.control("create_workload_identity", workload_identity_name=name),
        )

    def test_a_role_can_be_made_with_it(self):
        name = name_of("workload")
        made = self.control("create_workload_identity", workload_identity_name=name, create_ramrole=True)["WorkloadIdentity"]
        self.assertEqual(made["RoleArn"], role_arn(name))
        wat = self.client.get_workload_access_token(name, user_id="alice")
        assumed = self.data("assume_role_for_workload_identity", workload_access_token=wat, role_session_name="once")
        self.assertEqual(assumed["AssumedRoleUser"]["Arn"], f"acs:sts::{scene['account']}:assumed-role/{name}/once")

    def test_what_the_native_api_made_is_here_too(self):
        name = name_of("native")
        ask("POST", "/v1/agents", {"name": name, "description": "made elsewhere", "binding": "none"})
        found = self.control("get_workload_identity", workload_identity_name=name)["WorkloadIdentity"]
        self.assertEqual((found["Description"], found["SessionBindingEnabled"]), ("made elsewhere", False))

    def test_listed_page_by_page(self):
        made = [self.make_workload() for _ in range(5)]
        found = [one["WorkloadIdentityName"] for one in self.all_of("list_workload_identities", "WorkloadIdentities", size=3)]
        self.assertEqual(len(found), len(set(found)))
        self.assertLessEqual(set(made), set(found))
        whole = self.control("list_workload_identities")
        self.assertEqual(whole["MaxResults"], 100)
        self.assertEqual([one["WorkloadIdentityName"] for one in whole["WorkloadIdentities"]], found)


class IdentityProviders(ControlPlane):
    def make(self, **fields):
        name = name_of("people")
        url = f"{scene['desk']}/issuers/{name}/.well-known/openid-configuration"
        body = self.control("create_identity_provider", identity_provider_name=name, discovery_url=url, **fields)
        return name, url, body["IdentityProvider"]

    def test_made_read_changed_and_deleted(self):
        name, url, made = self.make(allowed_audience=["app", "other"], description="ours")
        self.assert_moments(made, "CreateTime", "UpdateTime")
        whole = {
            "IdentityProviderName": name,
            "IdentityProviderArn": arn(f"identityprovider/{name}"),
            "DiscoveryURL": url,
            "AllowedAudience": ["app", "other"],
            "Description": "ours",
        }
        self.assertEqual({key: made[key] for key in whole}, whole)
        self.assertEqual(self.control("get_identity_provider", identity_provider_name=name)["IdentityProvider"], made)
        self.assertEqual(ask("GET", f"/v1/issuers/{name}")["audiences"], ["app", "other"])

        self.assert_only_request_id(
            self.control("update_identity_provider", identity_provider_name=name, allowed_audience=["third"], description="theirs")
        )
        changed = self.control("get_identity_provider", identity_provider_name=name)["IdentityProvider"]
        self.assertEqual((changed["AllowedAudience"], changed["Description"], changed["DiscoveryURL"]), (["third"], "theirs", url))

        self.assert_only_request_id(self.control("delete_identity_provider", identity_provider_name=name))
        self.refused(
            404, "EntityNotExists.IdentityProvider", lambda: self.control("get_identity_provider", identity_provider_name=name)
        )

    def test_a_name_is_taken_once_and_an_address_has_to_answer(self):
        name, url, _ = self.make(allowed_audience=["app"])
        again = {"identity_provider_name": name, "discovery_url": url, "allowed_audience": ["app"]}
        self.refused(409, "EntityAlreadyExists.IdentityProvider", lambda: self.control("create_identity_provider", **again))
        nowhere = {**again, "identity_provider_name": name_of("people"), "discovery_url": "http://127.0.0.1:1/.well-known/openid-configuration"}
        self.refused(400, "InvalidOAuthDiscoveryURL", lambda: self.control("create_identity_provider", **nowhere))

    def test_listed_page_by_page(self):
        made = {self.make(allowed_audience=["app"])[0] for _ in range(5)}
        found = [one["IdentityProviderName"] for one in self.all_of("list_identity_providers", "IdentityProviders")]
        self.assertLessEqual(made | {"people"}, set(found))


class OAuth2Providers(ControlPlane):
    vault = None

    def make(self, name=None, config=None, **fields):
        vault = {} if self.vault is None else {"token_vault_name": self.vault}
        return self.control(
            "create_oauth2_credential_provider",
            oauth2_credential_provider_name=name or name_of("oauth2"),
            credential_provider_vendor="CustomOAuth2",
            oauth2_provider_config=config or config_of("a client", discovery_url=scene["discoveryUrl"]),
            **vault,
            **fields,
        )["OAuth2CredentialProvider"]

    def test_made_read_changed_and_deleted(self):
        name = name_of("oauth2")
        made = self.make(name, description="calendars")
        self.assert_moments(made, "CreateTime", "UpdateTime")
        self.assertEqual(made["CredentialProviderArn"], arn(f"tokenvault/default/oauth2credentialprovider/{name}"))
        self.assertEqual((made["TokenVaultName"], made["CredentialProviderVendor"]), ("default", "CustomOAuth2"))
        self.assertEqual(made["Description"], "calendars")
        native = ask("GET", f"/v1/credential-providers/{name}")
        self.assertEqual(made["CallbackURL"], native["callbackUrl"])
        config = made["OAuth2ProviderConfig"]["CustomOAuth2ProviderConfig"]
        self.assertEqual(config["ClientId"], "a client")
        self.assertEqual(config["OAuth2Discovery"]["DiscoveryURL"], scene["discoveryUrl"])
        self.assertNotIn("a secret", str(made))
        read = self.control("get_oauth2_credential_provider", oauth2_credential_provider_name=name)
        self.assertEqual(read["OAuth2CredentialProvider"], made)

        self.assert_only_request_id(
            self.control(
                "update_oauth2_credential_provider",
                oauth2_credential_provider_name=name,
                description="mail",
                oauth2_provider_config=config_of("another client", "another secret", discovery_url=scene["discoveryUrl"]),
            )
        )
        changed = self.control("get_oauth2_credential_provider", oauth2_credential_provider_name=name)["OAuth2CredentialProvider"]
        self.assertEqual(changed["Description"], "mail")
        self.assertEqual(changed["OAuth2ProviderConfig"]["CustomOAuth2ProviderConfig"]["ClientId"], "another client")
        self.assertEqual(changed["CallbackURL"], made["CallbackURL"])

        self.assert_only_request_id(self.control("delete_oauth2_credential_provider", oauth2_credential_provider_name=name))
        self.refused(
            404,
            "EntityNotExists.OAuth2CredentialProvider",
            lambda: self.control("get_oauth2_credential_provider", oauth2_credential_provider_name=name),
        )

    def test_its_addresses_one_by_one_and_a_callback_of_ones_own(self):
        metadata = {
            "Issuer": "https://login.example.com",
            "AuthorizationRequest": {"Endpoint": "https://login.example.com/auth"},
            "TokenRequest": {"Endpoint": "https://login.example.com/token"},
            "PKCE": {"Enabled": True},
        }
        made = self.make(config=config_of("c", metadata=metadata), callback_url="https://app.example.com/oauth2/callback/1")
        self.assertEqual(made["CallbackURL"], "https://app.example.com/oauth2/callback/1")
        self.assertEqual(made["OAuth2ProviderConfig"]["CustomOAuth2ProviderConfig"]["OAuth2Discovery"]["AuthorizationServerMetadata"], metadata)

    def test_the_vendors_that_the_original_includes(self):
        for vendor in ("AliyunOAuth2", "AlibabaCloudOAuth2", "DingTalkOAuth2", "FeiShuOAuth2"):
            name = name_of("included")
            config = models.OAuth2ProviderConfig().from_map({"IncludedOAuth2ProviderConfig": {"ClientId": "c", "ClientSecret": "a secret"}})
            made = self.control(
                "create_oauth2_credential_provider",
                oauth2_credential_provider_name=name,
                credential_provider_vendor=vendor,
                oauth2_provider_config=config,
            )["OAuth2CredentialProvider"]
            self.assertEqual(made["CredentialProviderVendor"], vendor)
            included = made["OAuth2ProviderConfig"]["IncludedOAuth2ProviderConfig"]
            self.assertEqual(included["ClientId"], "c")
            self.assertRegex(included["AuthorizationEndpoint"], "^https://")
            self.assertRegex(included["TokenEndpoint"], "^https://")

    def test_a_name_is_taken_once_in_a_vault(self):
        name = self.make()["OAuth2CredentialProviderName"]
        self.refused(409, "EntityAlreadyExists.OAuth2CredentialProvider", lambda: self.make(name))
        # One room holds all kinds; a name of the other kind is another thing's.
        self.refused(
            404,
            "EntityNotExists.APIKeyCredentialProvider",
            lambda: self.control("get_apikey_credential_provider", apikey_credential_provider_name=name),
        )

    def test_listed_page_by_page_in_a_vault(self):
        self.vault = name_of("vault")
        self.control("create_token_vault", token_vault_name=self.vault)
        made = {self.make()["OAuth2CredentialProviderName"] for _ in range(5)}
        self.control("create_apikey_credential_provider", apikey_credential_provider_name="k", apikey="k", token_vault_name=self.vault)
        found = self.all_of("list_oauth2_credential_providers", "OAuth2CredentialProviders", token_vault_name=self.vault)
        self.assertEqual({one["OAuth2CredentialProviderName"] for one in found}, made)
        self.assertEqual({one["TokenVaultName"] for one in found}, {self.vault})


class ApiKeyProviders(ControlPlane):
    def test_made_read_changed_and_deleted(self):
        name = name_of("key")
        made = self.control(
            "create_apikey_credential_provider", apikey_credential_provider_name=name, apikey="the first key", description="maps"
        )["APIKeyCredentialProvider"]
        self.assert_moments(made, "CreateTime")
        self.assertEqual(made["CredentialProviderArn"], arn(f"tokenvault/default/apikeycredentialprovider/{name}"))
        self.assertEqual((made["TokenVaultName"], made["Description"]), ("default", "maps"))
        self.assertNotIn("the first key", str(made))
        read = self.control("get_apikey_credential_provider", apikey_credential_provider_name=name)["APIKeyCredentialProvider"]
        self.assert_moments(read, "CreateTime", "UpdateTime")
        self.assertNotIn("the first key", str(read))

        self.assert_only_request_id(
            self.control("update_apikey_credential_provider", apikey_credential_provider_name=name, apikey="the second key")
        )
        read = self.control("get_apikey_credential_provider", apikey_credential_provider_name=name)["APIKeyCredentialProvider"]
        self.assertEqual(read["Description"], "maps")
        self.assert_only_request_id(self.control("delete_apikey_credential_provider", apikey_credential_provider_name=name))
        for operation in ("get", "delete", "update"):
            self.refused(
                404,
                "EntityNotExists.APIKeyCredentialProvider",
                lambda operation=operation: self.control(
                    f"{operation}_apikey_credential_provider", apikey_credential_provider_name=name
                ),
            )

    def test_a_name_is_taken_once(self):
        name = self.make_api_key()
        self.refused(
            409,
            "EntityAlreadyExists.APIKeyCredentialProvider",
            lambda: self.control("create_apikey_credential_provider", apikey_credential_provider_name=name, apikey="k"),
        )

    def test_listed_page_by_page(self):
        made = {self.make_api_key() for _ in range(5)}
        found = self.all_of("list_apikey_credential_providers", "APIKeyCredentialProviders")
        self.assertLessEqual(made, {one["APIKeyCredentialProviderName"] for one in found})


class TokenVaults(ControlPlane):
    def test_made_read_changed_and_deleted(self):
        name = name_of("vault")
        made = self.control(
            "create_token_vault",
            token_vault_name=name,
            description="for one team",
            encryption_config=models.EncryptionConfig(key_type="SERVICE_MANAGED_KEY"),
            role_arn=role_arn("keeper"),
        )["TokenVault"]
        self.assert_moments(made, "CreateTime")
        whole = {
            "TokenVaultName": name,
            "TokenVaultArn": arn(f"tokenvault/{name}"),
            "Description": "for one team",
            "EncryptionConfig": {"KeyType": "SERVICE_MANAGED_KEY"},
            "RoleArn": role_arn("keeper"),
        }
        self.assertEqual({key: made[key] for key in whole}, whole)
        read = self.control("get_token_vault", token_vault_name=name)["TokenVault"]
        self.assert_moments(read, "CreateTime", "UpdateTime")
        self.assertEqual({key: read[key] for key in whole}, whole)
        self.assert_only_request_id(self.control("update_token_vault", token_vault_name=name, description="for all"))
        read = self.control("get_token_vault", token_vault_name=name)["TokenVault"]
        self.assertEqual((read["Description"], read["RoleArn"]), ("for all", role_arn("keeper")))
        self.assert_only_request_id(self.control("delete_token_vault", token_vault_name=name))
        self.refused(404, "EntityNotExists.TokenVault", lambda: self.control("get_token_vault", token_vault_name=name))

    def test_the_default_one_is_always_there(self):
        default = self.control("get_token_vault", token_vault_name="default")["TokenVault"]
        self.assertEqual(default["TokenVaultArn"], arn("tokenvault/default"))
        self.refused(409, "EntityAlreadyExists.TokenVault", lambda: self.control("create_token_vault", token_vault_name="default"))
        with self.assertRaises(Exception):
            self.control("delete_token_vault", token_vault_name="default")

    def test_listed_page_by_page(self):
        made = {name_of("vault") for _ in range(5)}
        for name in made:
            self.control("create_token_vault", token_vault_name=name)
        found = {one["TokenVaultName"] for one in self.all_of("list_token_vaults", "TokenVaults")}
        self.assertLessEqual(made | {"default"}, found)

    def test_what_stands_in_one_is_another_than_what_stands_in_the_other(self):
        vault, name = name_of("vault"), name_of("key")
        self.control("create_token_vault", token_vault_name=vault)
        for where in ({}, {"token_vault_name": vault}):
            self.control("create_apikey_credential_provider", apikey_credential_provider_name=name, apikey=f"key {where}", **where)
        workload = self.make_workload()
        wat = self.client.get_workload_access_token(workload)
        for where in ({}, {"token_vault_name": vault}):
            answer = self.answered(
                call(self.spender(wat), "get_resource_apikey", resource_credential_provider_name=name, workload_access_token=wat, **where)
            )
            self.assertEqual(answer["APIKey"], f"key {where}")


class OutOfScope(ControlPlane):
    def test_user_pools_are_no_actions_of_this_server(self):
        for operation, fields in (
            ("create_user_pool", {"user_pool_name": "p"}),
            ("list_user_pools", {}),
            ("get_samlidentity_provider", {"user_pool_name": "p"}),
            ("run_user_pool_sync_job", {"user_pool_name": "p", "identity_provider_type": "DingTalk"}),
        ):
            self.refused(404, "InvalidAction.NotFound", lambda operation=operation, fields=fields: self.control(operation, **fields))
