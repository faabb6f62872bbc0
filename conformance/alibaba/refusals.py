"""What is refused, and how the original's exceptions tell it: status, code, request id. None of it does half of what was asked."""

import asyncio
import hashlib
import hmac
import http.client
import json
import urllib.parse
from datetime import datetime, timedelta, timezone
from uuid import uuid4

from alibabacloud_agentidentity20250901.client import Client as ControlClient
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException
from alibabacloud_tea_openapi.models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from scene import URL, Judged, ask, call, fetch, log_in, name_of, role_arn, scene, signing


def signed(secret, key, action, body="", version="2025-11-27", moment=None, nonce=None, alter=None):
    """One request, signed as wire 2.1 says, so that each part of it can be altered: `alter` changes the headers after they were signed."""
    moment = moment or datetime.now(timezone.utc)
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "host": "http://anything at all",
        "x-acs-action": action,
        "x-acs-content-sha256": hashlib.sha256(body.encode()).hexdigest(),
        "x-acs-date": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce or uuid4().hex,
        "x-acs-version": version,
    }
    names = ";".join(sorted(headers))
    canonical = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    request = "\n".join(["POST", "/", "", canonical, names, headers["x-acs-content-sha256"]])
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}"
    if alter:
        alter(headers)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(URL).netloc, timeout=10)
    connection.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
    for name, value in {**headers, "content-length": str(len(body.encode()))}.items():
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    assert told["RequestId"] == answer.headers["x-request-id"]
    return answer.status, told.get("Code")


class Signatures(Judged):
    def setUp(self):
        super().setUp()
        pair = scene["keys"]["admin"]
        self.key, self.secret = pair["accessKeyId"], pair["accessKeySecret"]

    def ask(self, **changes):
        given = {"secret": self.secret, "key": self.key, "action": "ListTokenVaults", "version": "2025-09-01", "body": "MaxResults=1"}
        return signed(**{**given, **changes})

    def test_a_request_signed_by_hand_is_answered_whatever_its_host_is_called(self):
        self.assertEqual(self.ask(), (200, None))

    def test_each_way_of_not_holding_has_its_code(self):
        now = datetime.now(timezone.utc)
        nonce = uuid4().hex
        self.assertEqual(self.ask(nonce=nonce)[0], 200)
        for expected, changes in (
            ("InvalidAccessKeyId.NotFound", {"key": "ak_" + "0" * 32}),
            ("SignatureDoesNotMatch", {"secret": "wrong"}),
            ("SignatureNonceUsed", {"nonce": nonce}),
            ("InvalidTimeStamp.Expired", {"moment": now - timedelta(minutes=16)}),
            ("InvalidTimeStamp.Expired", {"moment": now + timedelta(minutes=16)}),
        ):
            with self.subTest(expected):
                self.assertEqual(self.ask(**changes), (401, expected))

    def test_a_header_altered_afterwards(self):
        for name, value in (
            ("x-acs-action", "DeleteTokenVault"),
            ("x-acs-date", (datetime.now(timezone.utc) - timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")),
            ("x-acs-signature-nonce", uuid4().hex),
            ("x-acs-content-sha256", hashlib.sha256(b"MaxResults=2").hexdigest()),
            ("host", "elsewhere"),
        ):
            with self.subTest(name):
                status, code = self.ask(alter=lambda headers, name=name, value=value: headers.update({name: value}))
                self.assertEqual((status, code), (401, "SignatureDoesNotMatch"))

    def test_who_does_not_sign_is_told_so(self):
        self.assertEqual(self.ask(alter=lambda headers: headers.pop("Authorization"))[0], 401)
        with self.assertRaises(ClientException) as caught:
            call(signing("ak_" + "0" * 32, "x", kind=ControlClient), "list_token_vaults")
        self.assertEqual(caught.exception.code, "InvalidAccessKeyId.NotFound")


class Temporary(Judged):
    def setUp(self):
        super().setUp()
        self.workload = self.make_workload()
        self.wat = self.client.get_workload_access_token(self.workload, user_id="alice")
        body = self.data("assume_role_for_workload_identity", workload_access_token=self.wat, role_session_name="session")
        self.pair = {name: body["Credentials"][name] for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken")}
        self.key = self.make_api_key()

    def spend(self, client, wat=None):
        return self.answered(call(client, "get_resource_apikey", resource_credential_provider_name=self.key, workload_access_token=wat or self.wat))

    def test_it_needs_its_own_security_token(self):
        other = self.data("assume_role_for_workload_identity", workload_access_token=self.wat, role_session_name="other")["Credentials"]
        self.assertEqual(self.spend(signing(**self.pair))["APIKey"], "a key")
        for changed in ({"SecurityToken": None}, {"SecurityToken": other["SecurityToken"]}, {"SecurityToken": "nonsense"}):
            with self.subTest(changed):
                with self.assertRaises(ClientException) as caught:
                    self.spend(signing(**{**self.pair, **changed}))
                self.assertEqual(caught.exception.status_code, 401)
                self.assertRegex(caught.exception.code, "SecurityToken|SignatureDoesNotMatch")
        pair = scene["keys"]["admin"]
        lasting = signing(pair["accessKeyId"], pair["accessKeySecret"], self.pair["SecurityToken"])
        self.refused(401, "InvalidSecurityToken.MismatchWithAccessKey", lambda: self.spend(lasting))

    def test_it_spends_the_tokens_of_its_own_agent_and_user_alone(self):
        client = signing(**self.pair)
        for wat in (
            self.client.get_workload_access_token(self.workload, user_id="bob"),
            self.client.get_workload_access_token(self.workload),
            self.client.get_workload_access_token(self.make_workload(), user_id="alice"),
        ):
            self.refused(401, "InvalidParameter.WorkloadAccessToken", lambda wat=wat: self.spend(client, wat))

    def test_it_makes_no_tokens_roles_or_anything_else(self):
        data, control = signing(**self.pair), signing(**self.pair, kind=ControlClient)
        for client, operation, fields in (
            (data, "get_workload_access_token", {"workload_identity_name": self.workload}),
            (data, "get_workload_access_token_for_user_id", {"workload_identity_name": self.workload, "user_id": "bob"}),
            (data, "get_workload_access_token_for_jwt", {"workload_identity_name": self.workload, "user_token": "a.b.c"}),
            (control, "create_workload_identity", {"workload_identity_name": name_of("workload")}),
            (control, "list_workload_identities", {}),
            (control, "create_policy_set", {"policy_set_name": name_of("set")}),
        ):
            with self.subTest(operation):
                self.refused(403, "NoPermission", lambda client=client, operation=operation, fields=fields: call(client, operation, **fields))

    def test_it_dies_with_its_agent_and_its_user(self):
        client = signing(**self.pair)
        self.spend(client)
        ask("POST", f"/v1/agents/{self.workload}/suspend")
        with self.assertRaises(ClientException):
            self.spend(client)
        ask("POST", f"/v1/agents/{self.workload}/resume")
        # What was handed out before stays dead.
        fresh = self.client.get_workload_access_token(self.workload, user_id="alice")
        with self.assertRaises(ClientException) as caught:
            self.spend(client, fresh)
        self.assertEqual(caught.exception.status_code, 401)


class Refusals(Judged):
    def test_things_that_are_not_there_say_where_they_were_looked_for(self):
        error = self.refused(404, "EntityNotExists.WorkloadIdentity", lambda: self.client.get_workload_access_token("nobody"))
        self.assertIn(scene["account"], error.message)
        wat = self.client.get_workload_access_token(self.make_workload())
        spender = self.spender(wat)
        asked = {"resource_credential_provider_name": "nothing", "workload_access_token": wat}
        self.refused(404, "EntityNotExists.APIKeyCredentialProvider", lambda: call(spender, "get_resource_apikey", **asked))
        self.refused(404, "EntityNotExists.OAuth2CredentialProvider", lambda: call(spender, "get_resource_oauth2_token", **asked))

    def test_a_users_token_that_does_not_hold(self):
        name = self.make_workload(identity_provider_name="people")
        token = log_in("alice")
        head, body, tail = token.split(".")
        for bad in ("a.b.c", f"{head}.{body}.{tail[:-4]}AAAA", f"{head}.{body}."):
            self.refused(400, "InvalidParameter.JsonWebToken", lambda bad=bad: self.client.get_workload_access_token(name, user_token=bad))
        # Nor where nobody's tokens are trusted.
        with self.assertRaises(ClientException):
            self.client.get_workload_access_token(self.make_workload(), user_token=token)

    def test_a_workload_access_token_that_does_not_hold(self):
        key = self.make_api_key()
        wat = self.client.get_workload_access_token(self.make_workload())
        spender = self.spender(wat)
        for bad in ("nonsense", wat[:-4] + "AAAA", log_in("alice")):
            asked = {"resource_credential_provider_name": key, "workload_access_token": bad}
            self.refused(401, "InvalidParameter.WorkloadAccessToken", lambda asked=asked: call(spender, "get_resource_apikey", **asked))
            asked = {"role_session_name": "session", "workload_access_token": bad}
            self.refused(
                401, "InvalidParameter.WorkloadAccessToken", lambda asked=asked: self.data("assume_role_for_workload_identity", **asked)
            )
        self.refused(
            401, "MissingParameter.WorkloadAccessToken", lambda: call(spender, "get_resource_apikey", resource_credential_provider_name=key)
        )

    def test_a_workload_without_a_role_takes_none_on(self):
        name = name_of("workload")
        self.control("create_workload_identity", workload_identity_name=name)
        wat = self.client.get_workload_access_token(name)
        self.refused(
            400, "MissingRoleArn", lambda: asyncio.run(self.client.assume_role_for_workload_identity(workload_token=wat, role_session_name="session"))
        )

    def test_a_workload_whose_role_is_not_there_takes_none_on(self):
        wat = self.client.get_workload_access_token(self.make_workload(role_arn=role_arn(name_of("role"))))
        self.refused(
            404, "EntityNotExists.Role", lambda: asyncio.run(self.client.assume_role_for_workload_identity(workload_token=wat, role_session_name="session"))
        )

    def test_parameters_that_are_missing_or_wrong_are_named(self):
        self.refused(400, "MissingParameter.WorkloadIdentityName", lambda: self.control("get_workload_identity"))
        self.refused(400, "InvalidParameter.WorkloadIdentityName", lambda: self.control("create_workload_identity", workload_identity_name="a b"))
        self.refused(400, "InvalidParameter.MaxResults", lambda: self.control("list_workload_identities", max_results=0))
        self.refused(400, "InvalidParameter.MaxResults", lambda: self.control("list_workload_identities", max_results=1001))
        self.refused(400, "InvalidParameter.NextToken", lambda: self.control("list_workload_identities", next_token="nonsense"))
        self.refused(
            404,
            "EntityNotExists.IdentityProvider",
            lambda: self.control("create_workload_identity", workload_identity_name=name_of("w"), identity_provider_name="nobody"),
        )

    def test_a_completion_that_names_nobody_or_nothing(self):
        session = "urn:ietf:params:oauth:request_uri:" + "0" * 64
        self.refused(400, "InvalidParameter.UserIdentifier", lambda: self.client.confirm_user_auth(session))
        # Of both, the token counts: neither is a fault.
        for named in (("alice",), ("alice", log_in("alice"))):
            self.refused(404, "EntityNotExists.AuthorizationSession", lambda named=named: self.client.confirm_user_auth(session, *named))

    def test_a_fault_that_is_not_the_callers_is_a_servers(self):
        provider = self.make_provider()
        wat = self.client.get_workload_access_token(self.make_workload())
        asked = {"resource_credential_provider_name": provider, "workload_access_token": wat, "scopes": ["read"], "oauth2_flow": "M2M"}
        fetch(f"{scene['desk']}/out-of-order/503", method="POST")
        try:
            error = self.refused(503, "ServiceUnavailable.CredentialProvider", lambda: call(self.spender(wat), "get_resource_oauth2_token", **asked))
        finally:
            fetch(f"{scene['desk']}/out-of-order/", method="POST")
        self.assertIsInstance(error, ServerException)

    def test_a_user_id_where_the_agent_may_not_assert_one(self):
        name = self.make_workload()
        ask("PATCH", f"/v1/agents/{name}", {"assertedUsers": False})
        self.refused(403, "Forbidden.UserId", lambda: self.client.get_workload_access_token(name, user_id="alice"))

    def test_whose_provider_it_is_not(self):
        name = name_of("key")
        ask("POST", "/v1/credential-providers", {"name": name, "type": "api_key", "apiKey": "k", "agents": ["label:nobody"]})
        wat = self.client.get_workload_access_token(self.make_workload())
        asked = {"resource_credential_provider_name": name, "workload_access_token": wat}
        self.refused(404, "EntityNotExists.APIKeyCredentialProvider", lambda: call(self.spender(wat), "get_resource_apikey", **asked))

    def test_an_operators_key_needs_the_right_and_dies_with_the_operator(self):
        auditor = ask("POST", "/v1/operators", {"name": name_of("auditor"), "role": "auditor"})
        operator = ask("POST", "/v1/operators", {"name": name_of("operator"), "role": "operator"})
        for one in (auditor, operator):
            with self.assertRaises(Exception):
                fetch(f"{URL}/v1/access-keys", {}, {"authorization": f"Bearer {one['key']}"})
        admin = ask("POST", "/v1/operators", {"name": name_of("admin"), "role": "admin"})
        key = fetch(f"{URL}/v1/access-keys", {}, {"authorization": f"Bearer {admin['key']}"})
        client = signing(key["accessKeyId"], key["accessKeySecret"], kind=ControlClient)
        call(client, "list_token_vaults")
        ask("DELETE", f"/v1/operators/{admin['id']}")
        with self.assertRaises(ClientException) as caught:
            call(client, "list_token_vaults")
        self.assertEqual(caught.exception.status_code, 401)

    def test_what_there_is_to_come_is_said_not_to_be_there(self):
        """The gateway's two calls have no method in the package."""
        for action in ("SearchAuthorizedActions", "EvaluatePolicy"):
            params = Params(
                action=action, version="2025-11-27", protocol="HTTPS", pathname="/", method="POST", auth_type="AK", style="RPC",
                req_body_type="formData", body_type="json",
            )  # fmt: skip
            request = OpenApiRequest(body={"WorkloadAccessToken": "w", "ResourceId": "r"})
            self.refused(
                400, "UnsupportedOperation", lambda params=params, request=request: self.client.data_client.call_api(params, request, RuntimeOptions())
            )

