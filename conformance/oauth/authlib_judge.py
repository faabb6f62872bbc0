"""authlib against the OAuth wire: discovery, code with PKCE, client credentials, refresh, introspection, revocation."""

import json
import os
import urllib.request

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import get_well_known_url
from joserfc.jwk import ECKey

url = os.environ["LEGATE_TEST_URL"]
resource = os.environ["RESOURCE"]
scope = os.environ["SCOPE"]
redirect_uri = os.environ["REDIRECT_URI"]

metadata = requests.get(get_well_known_url(url, external=True), timeout=10).json()
assert metadata["issuer"] == url, metadata
oidc = requests.get(f"{url}/.well-known/openid-configuration", timeout=10).json()
assert oidc["issuer"] == url, oidc
keys = JsonWebKey.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())


def walk(address):
    asked = urllib.request.Request(os.environ["PERSON_URL"], data=address.encode(), method="POST")
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return answer.read().decode()


for method in ["client_secret_basic", "client_secret_post"]:
    session = OAuth2Session(
        os.environ["CLIENT_ID"],
        os.environ["CLIENT_SECRET"],
        scope=f"openid offline_access {scope}",
        redirect_uri=redirect_uri,
        token_endpoint_auth_method=method,
        code_challenge_method="S256",
    )
    verifier = generate_token(48)
    nonce = generate_token()
    address, state = session.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, resource=resource, nonce=nonce
    )
    token = session.fetch_token(
        metadata["token_endpoint"], authorization_response=walk(address), code_verifier=verifier, state=state
    )
    assert token["token_type"] == "Bearer", token
    claims = jwt.decode(token["id_token"], keys, claims_options={"iss": {"value": url}, "aud": {"value": os.environ["CLIENT_ID"]}})
    claims.validate()
    assert claims["nonce"] == nonce, claims
    access = jwt.decode(token["access_token"], keys, claims_options={"iss": {"value": url}, "aud": {"value": resource}})
    access.validate()

    refreshed = session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
    assert refreshed["refresh_token"] != token["refresh_token"]
    seen = session.introspect_token(metadata["introspection_endpoint"], token=refreshed["access_token"]).json()
    assert seen["active"] is True and seen["sub"] == claims["sub"], seen
    answer = session.revoke_token(metadata["revocation_endpoint"], token=refreshed["refresh_token"], token_type_hint="refresh_token")
    assert answer.status_code == 200, answer.text
    seen = session.introspect_token(metadata["introspection_endpoint"], token=refreshed["access_token"]).json()
    assert seen == {"active": False}, seen

    alone = OAuth2Session(
        os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], scope=scope, token_endpoint_auth_method=method
    ).fetch_token(metadata["token_endpoint"], grant_type="client_credentials", resource=resource)
    assert alone["scope"] == scope, alone

by_key = OAuth2Session(
    os.environ["CLIENT_ID"], ECKey.import_key(json.loads(os.environ["CLIENT_KEY"])), scope=scope, token_endpoint_auth_method="private_key_jwt"
)
# draft-ietf-oauth-rfc7523bis: the audience of an assertion is the server's issuer, and nothing else.
by_key.register_client_auth_method(
    PrivateKeyJWT(token_endpoint=url, alg="ES256", headers={"kid": json.loads(os.environ["CLIENT_KEY"])["kid"]})
)
token = by_key.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", resource=resource)
assert token["scope"] == scope, token

print("authlib: discovery, code with PKCE, refresh, introspection, revocation, client credentials, private_key_jwt")
