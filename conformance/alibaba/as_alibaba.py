"""One agent, seen through the original SDK: `may` has tokens and a credential, `may-not` has none, neither anew nor with what it was handed before."""

import asyncio
import json
import pathlib
import sys

from alibabacloud_tea_openapi.exceptions import ClientException

from scene import call, make_client, signing

_, agent, provider, expected, kept = sys.argv
kept = pathlib.Path(kept)
client = make_client()


def spend(pair, wat):
    asked = {"resource_credential_provider_name": provider, "workload_access_token": wat}
    return call(signing(**pair), "get_resource_apikey", **asked).body.apikey


def refused(act):
    try:
        act()
    except ClientException as error:
        assert error.status_code in (401, 403), error
    else:
        raise AssertionError("It was not refused.")


def assume(wat):
    return asyncio.run(client.assume_role_for_workload_identity(workload_token=wat, role_session_name="session"))


if expected == "may":
    wat = client.get_workload_access_token(agent, user_id="alice")
    role = assume(wat)
    pair = {"AccessKeyId": role.access_key_id, "AccessKeySecret": role.access_key_secret, "SecurityToken": role.security_token}
    assert spend(pair, wat) == "the agent's key"
    kept.write_text(json.dumps({"wat": wat, "pair": pair}), encoding="utf-8")
else:
    before = json.loads(kept.read_text(encoding="utf-8"))
    refused(lambda: client.get_workload_access_token(agent, user_id="alice"))
    refused(lambda: client.get_workload_access_token(agent))
    refused(lambda: assume(before["wat"]))
    refused(lambda: spend(before["pair"], before["wat"]))
