"""The same agent, seen through Coze's original client, by a client secret: `may` reads its project, `may-not` reads nothing."""

import pathlib
import sys
import urllib.error
import urllib.request

from coze_workload_identity import Client, TokenRetrievalError

_, url, expected, kept = sys.argv
kept = pathlib.Path(kept)
client = Client()

if expected == "may":
    assert client.get_project_env_vars().get("GREETING") == "hello"
    kept.write_text(client.get_access_token(), encoding="utf-8")
else:
    try:
        client.get_project_env_vars()
    except TokenRetrievalError as error:
        assert "401" in str(error), error
    else:
        raise AssertionError("It was not refused.")
    # Nor with what it was handed before.
    request = urllib.request.Request(f"{url}/coze/secret/env", headers={"authorization": f"Bearer {kept.read_text(encoding='utf-8')}"})
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
    except urllib.error.HTTPError as error:
        assert error.code == 403, error
    else:
        raise AssertionError("It was not refused.")
