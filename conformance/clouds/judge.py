"""Judges what Legate showed to STS and what it handed out: the token by the published keys alone (PyJWT), the credentials by AWS's own client (boto3)."""

import json
import os
import urllib.request

import boto3
import jwt

legate = os.environ["LEGATE_TEST_URL"]
agent_id = os.environ["LEGATE_TEST_AGENT_ID"]
sts_url = os.environ["STS_URL"]
credentials = json.loads(os.environ["CREDENTIALS"])
role_arn = os.environ["ROLE_ARN"]

# As AWS finds an OIDC provider's keys: by its metadata.
metadata = json.load(urllib.request.urlopen(f"{legate}/.well-known/openid-configuration", timeout=10))
assert metadata["issuer"] == legate, metadata
assert "ES256" in metadata["id_token_signing_alg_values_supported"], metadata
keys = jwt.PyJWKClient(metadata["jwks_uri"])

shown = json.load(urllib.request.urlopen(f"{sts_url}shown", timeout=10))
assert len(shown) == 1, f"STS was asked {len(shown)} times, and the wrapper was to keep what it had"
(asked,) = shown
assert asked["RoleArn"] == role_arn and asked["DurationSeconds"] == "900" and asked["Version"] == "2011-06-15", asked
token = asked["WebIdentityToken"]
header = jwt.get_unverified_header(token)
assert header["typ"] == "JWT" and header["kid"], header


def verify(audience):
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        audience=audience,
        issuer=legate,
        options={"require": ["iss", "aud", "sub", "iat", "exp", "jti"]},
    )


claims = verify("sts.amazonaws.com")
assert claims["sub"] == agent_id, claims
assert claims["exp"] - claims["iat"] == 300, claims
for other in (f"{legate}/vault", legate, "sts.aliyuncs.com"):
    try:
        verify(other)
    except jwt.InvalidAudienceError:
        pass
    else:
        raise AssertionError(f"the token is taken for {other}")

client = boto3.client(
    "sts",
    region_name="us-east-1",
    endpoint_url=sts_url,
    aws_access_key_id=credentials["accessKeyId"],
    aws_secret_access_key=credentials["accessKeySecret"],
    aws_session_token=credentials["securityToken"],
)
identity = client.get_caller_identity()
assert identity["Arn"] == "arn:aws:sts::123456789012:assumed-role/reader/nightly", identity
print("boto3 is", identity["Arn"])
