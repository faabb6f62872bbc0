"""moto's STS, which keeps the web identity tokens that it is shown: GET /shown answers them. It takes any token, so what they say is judged elsewhere."""

import json
import os
import sys
import threading
from io import BytesIO
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

shown = []
moto = DomainDispatcherApplication(create_backend_app)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/shown":
        start_response("200 OK", [("content-type", "application/json")])
        return [json.dumps(shown).encode()]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    form = parse_qs(body.decode(), keep_blank_values=True)
    if form.get("Action") == ["AssumeRoleWithWebIdentity"]:
        shown.append({name: values[0] for name, values in form.items()})
    return moto({**environ, "wsgi.input": BytesIO(body)}, start_response)


server = make_server("127.0.0.1", int(os.environ["STS_PORT"]), application, threaded=True, request_handler=MotoRequestHandler)
# Ends with whoever started it, who closes this pipe, or is gone.
threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
server.serve_forever()
