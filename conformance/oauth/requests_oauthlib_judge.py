"""requests-oauthlib against the OAuth wire: code with PKCE, client credentials, refresh, and what oauthlib makes of introspection and revocation."""

import os
import urllib.request

import requests
from oauthlib.oauth2 import BackendApplicationClient, WebApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

url = os.environ["LEGATE_TEST_URL"]
client_id = os.environ["CLIENT_ID"]
resource = os.environ["RESOURCE"]
scope = os.environ["SCOPE"]
basic = HTTPBasicAuth(client_id, os.environ["CLIENT_SECRET"])

metadata = requests.get(f"{url}/.well-known/oauth-authorization-server", timeout=10).json()
assert metadata["issuer"] == url, metadata


def walk(address):
    asked = urllib.request.Request(os.environ["PERSON_URL"], data=address.encode(), method="POST")
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return answer.read().decode()


client = WebApplicationClient(client_id)
session = OAuth2Session(client=client, scope=[scope], redirect_uri=os.environ["REDIRECT_URI"], pkce="S256")
address, state = session.authorization_url(metadata["authorization_endpoint"], resource=resource)
token = session.fetch_token(metadata["token_endpoint"], authorization_response=walk(address), auth=basic)
assert token["token_type"] == "Bearer", token
refreshed = session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"], auth=basic)
assert refreshed["refresh_token"] != token["refresh_token"]


def introspect(text):
    return requests.post(metadata["introspection_endpoint"], data={"token": text}, auth=basic, timeout=10).json()


assert introspect(refreshed["access_token"])["active"] is True
address, headers, body = client.prepare_token_revocation_request(
    metadata["revocation_endpoint"].replace("http://", "https://"), refreshed["refresh_token"], token_type_hint="refresh_token"
)
answer = requests.post(address.replace("https://", "http://"), headers=headers, data=body, auth=basic, timeout=10)
assert answer.status_code == 200, answer.text
assert introspect(refreshed["access_token"]) == {"active": False}

alone = OAuth2Session(client=BackendApplicationClient(client_id), scope=[scope])
token = alone.fetch_token(metadata["token_endpoint"], auth=basic, resource=resource)
assert token["scope"] == [scope], token

print("requests-oauthlib: code with PKCE, refresh, introspection, revocation, client credentials")
