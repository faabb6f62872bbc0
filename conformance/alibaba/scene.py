"""What the judges share: where Legate is and what it was furnished with, and how the original clients are pointed at it."""

import base64
import hashlib
import inspect
import json
import logging
import os
import secrets
import unittest
import urllib.parse
import urllib.request

from agent_identity_python_sdk import AgentIdentityContext, IdentityClient
from agent_identity_python_sdk.utils import cache
from alibabacloud_agentidentity20250901 import models as control_models
from alibabacloud_agentidentitydata20251127 import models as data_models
from alibabacloud_agentidentitydata20251127.client import Client as DataClient
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.models import Config

from person import Browser, query_of

with open(os.environ["LEGATE_SCENE"], encoding="utf-8") as file:
    scene = json.load(file)

URL = scene["url"]
REGION = "cn-beijing"
ACCOUNT = scene["account"]
# Where the original is pointed: at Legate itself, or at a way to it that counts.
WAY = os.environ.get("LEGATE_WAY", URL)
USES_STS = os.environ.get("AGENT_IDENTITY_USE_STS", "true") == "true"

# Failures are provoked here by the dozen.
logging.disable()

_plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url, body=None, headers=None, method=None):
    """Asks and answers the parsed body; past every proxy."""
    data = None if body is None else json.dumps(body).encode()
    told = {**({} if body is None else {"content-type": "application/json"}), **(headers or {})}
    with _plain.open(urllib.request.Request(url, data=data, headers=told, method=method), timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def ask(method, path, body=None):
    """Asks Legate's own wire, as the admin."""
    return fetch(f"{URL}{path}", body, {"authorization": f"Bearer {scene['adminKey']}"}, method)


def connections(agent):
    """What the vault holds for an agent, live or not; never the tokens."""
    return ask("GET", f"/v1/connections?agent={agent}")["items"]


def seen():
    """What passed the ways since this was last asked."""
    return fetch(f"{scene['plain']}/seen")


def owner_of(token):
    """Whom the provider gave this access token for: `{ user?, client, scopes }`."""
    return fetch(f"{scene['provider']}/api/me", headers={"authorization": f"Bearer {token}"})


def name_of(kind):
    """A name nobody had before."""
    return f"{kind}-{secrets.token_hex(4)}"


def role_arn(name):
    return f"acs:ram::{ACCOUNT}:role/{name}"


def arn(rest):
    return f"acs:agentidentity:{REGION}:{ACCOUNT}:{rest}"


def workload_arn(name):
    return arn(f"workloadidentitydirectory/default/workloadidentity/{name}")


def claims_of(token):
    """Of a JWT, unverified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def log_in(user, browser=None):
    """The ID token of a user who logs in at the provider, as the sample's front end does: authorization code with PKCE, a public client."""
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = urllib.parse.urlencode(
        {
            "response_type": "code",
            "client_id": scene["loginClient"],
            "redirect_uri": scene["loginRedirect"],
            "scope": "openid",
            "state": "s",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
    )
    back = (browser or Browser(user)).walk(f"{scene['provider']}/auth?{asked}", scene["loginRedirect"])
    form = {
        "grant_type": "authorization_code",
        "code": query_of(back)["code"],
        "redirect_uri": scene["loginRedirect"],
        "client_id": scene["loginClient"],
        "code_verifier": verifier,
    }
    with _plain.open(f"{scene['provider']}/token", urllib.parse.urlencode(form).encode(), timeout=20) as answer:
        return json.load(answer)["id_token"]


def make_client(way=WAY):
    """The original's own client, at Legate by its two options."""
    return IdentityClient(REGION, data_api_endpoint=way, control_api_endpoint=way)


def signing(AccessKeyId, AccessKeySecret, SecurityToken=None, way=WAY, kind=DataClient):
    """A generated client that signs with this key and no other."""
    config = {"access_key_id": AccessKeyId, "access_key_secret": AccessKeySecret, "security_token": SecurityToken}
    return kind(Config(region_id=REGION, endpoint=way, **config))


def call(client, operation, **fields):
    """An operation of a generated client, with its parameters by their Python names; answers the whole response."""
    method = getattr(client, operation)
    models = control_models if "20250901" in type(client).__module__ else data_models
    request = inspect.signature(method).parameters["request"].annotation.split(".")[-1]
    return method(getattr(models, request)(**fields))


class Judged(unittest.TestCase):
    """Each test begins as a process does: with an empty context, and nothing cached."""

    maxDiff = None

    def setUp(self):
        AgentIdentityContext.clear()
        # A fresh context knows no variable; `clear` makes it know one.
        os.environ.pop("AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN", None)
        os.environ.pop("AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME", None)
        cache._sts_credential_cache.clear()
        self.client = make_client()

    def refused(self, status, code, act):
        """Asserts that this is refused in the words of the wire, and answers the exception."""
        with self.assertRaises(AlibabaCloudException) as caught:
            act()
        error = caught.exception
        self.assertEqual((error.status_code, error.code), (status, code), error.message)
        self.assertRegex(error.request_id or "", "^req_[0-9a-f]{32}$")
        self.assertIn(error.request_id, error.message)
        return error

    def answered(self, response):
        """Asserts what holds of every answer, and answers its body as the wire's names."""
        self.assertEqual(response.status_code, 200)
        body = response.body.to_map()
        self.assertEqual(body["RequestId"], response.headers["x-request-id"])
        return body

    def control(self, operation, **fields):
        return self.answered(call(self.client.control_client, operation, **fields))

    def data(self, operation, **fields):
        return self.answered(call(self.client.data_client, operation, **fields))

    def spender(self, wat, **fields):
        """A client of the data plane that signs with a temporary key of this token's role."""
        assumed = self.data("assume_role_for_workload_identity", workload_access_token=wat, role_session_name="judged", **fields)
        return signing(**{name: assumed["Credentials"][name] for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken")})

    def make_workload(self, **fields):
        """A workload identity, by default with a role of another account, which nobody defined here: its rights are the agent's own."""
        name = fields.pop("name", None) or name_of("workload")
        fields.setdefault("role_arn", f"acs:ram::9999999999999999:role/AgentIdentityRole-{name}")
        self.control("create_workload_identity", workload_identity_name=name, **fields)
        return name

    def make_api_key(self, key="a key"):
        name = name_of("api-key")
        self.control("create_apikey_credential_provider", apikey_credential_provider_name=name, apikey=key)
        return name

    def make_provider(self, scopes="openid read", **fields):
        """An OAuth 2 provider that is a client of the real one, with the callback address that it was given registered there."""
        name, client_id = name_of("oauth2"), name_of("client")
        made = self.control(
            "create_oauth2_credential_provider",
            oauth2_credential_provider_name=name,
            credential_provider_vendor="CustomOAuth2",
            oauth2_provider_config=config_of(client_id, discovery_url=scene["discoveryUrl"]),
            **fields,
        )["OAuth2CredentialProvider"]
        register_client(client_id, made["CallbackURL"], scopes)
        return name


def config_of(client_id, client_secret="a secret", discovery_url=None, metadata=None):
    """The configuration of a `CustomOAuth2` provider."""
    discovery = {"DiscoveryURL": discovery_url} if discovery_url else {"AuthorizationServerMetadata": metadata}
    return control_models.OAuth2ProviderConfig().from_map(
        {"CustomOAuth2ProviderConfig": {"ClientId": client_id, "ClientSecret": client_secret, "OAuth2Discovery": discovery}}
    )


def register_client(client_id, callback_url, scopes="openid read"):
    """Makes it known at the real provider."""
    metadata = {
        "client_id": client_id,
        "client_secret": "a secret",
        "redirect_uris": [callback_url],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_method": "client_secret_post",
        "scope": scopes,
    }
    fetch(f"{scene['desk']}/clients", metadata)
