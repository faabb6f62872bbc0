"""Gets workload access tokens with an agent's key and verifies them as any resource would: PyJWT, by the keys the server publishes."""

import json
import os
import urllib.request

import jwt

url = os.environ["LEGATE_TEST_URL"]
agent_key = os.environ["LEGATE_TEST_AGENT_KEY"]
agent_id = os.environ["LEGATE_TEST_AGENT_ID"]
keys = jwt.PyJWKClient(f"{url}/.well-known/jwks.json")


def workload_token(body):
    request = urllib.request.Request(
        f"{url}/v1/workload-tokens",
        data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {agent_key}", "content-type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def verify(token, audience=f"{url}/vault"):
    # RFC 8725 3.1: the verifier names the algorithm; the token's header does not choose it.
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        audience=audience,
        issuer=url,
        options={"require": ["iss", "aud", "sub", "iat", "exp", "jti"]},
    )


alone = workload_token({})
header = jwt.get_unverified_header(alone["token"])
assert header["typ"] == "wat+jwt", header
assert header["kid"], header
claims = verify(alone["token"])
assert claims["sub"] == agent_id, claims
assert 0 < claims["exp"] - claims["iat"] <= 30 * 60, claims

for_user = workload_token({"userId": "alice"})
claims = verify(for_user["token"])
assert claims["sub"] == for_user["user"]["id"] != agent_id, claims
assert claims["act"]["sub"] == agent_id, claims

for published in json.load(urllib.request.urlopen(f"{url}/.well-known/jwks.json", timeout=10))["keys"]:
    assert "d" not in published, "a private key is published"

try:
    verify(alone["token"], audience=f"{url}/elsewhere")
except jwt.InvalidAudienceError:
    pass
else:
    raise AssertionError("a token for the vault was accepted elsewhere")

print("PyJWT verified tokens for an agent alone and for a user.")
