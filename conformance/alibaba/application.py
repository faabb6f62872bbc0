"""An application as the sample's: a login session in a cookie, a chat, an agent that streams its answer, and the callback that checks whose consent it was.

The agent's tool is the original's decorator. What the page needs no script for is a page; the sample's routes for its script are here too.
Started by itself (`application.py <port>`), it serves until `GET /stop`.
"""

import asyncio
import functools
import html
import json
import os
import queue
import secrets
import sys
import threading
import urllib.parse
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from agent_identity_python_sdk import AgentIdentityContext, IdentityClient
from agent_identity_python_sdk.core import decorators

from scene import REGION, URL, claims_of, make_client, owner_of, scene

decorators.IdentityClient = functools.partial(IdentityClient, data_api_endpoint=URL, control_api_endpoint=URL)

from agent_identity_python_sdk import requires_access_token  # noqa: E402


class Agent:
    """Answers a chat in a stream of events; where its tool needs a person's consent, the link is one of them (wire: agent service)."""

    def __init__(self, workload, provider, callback_url):
        os.environ["AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME"] = workload
        os.environ["AGENT_IDENTITY_REGION_ID"] = REGION
        self._provider = provider
        self._callback_url = callback_url

    def process(self, asked):
        """The events of one request, as they happen: `user_id` is the user's ID token, `session_id` the chat."""
        said = queue.Queue()

        @requires_access_token(
            credential_provider_name=self._provider,
            scopes=["openid", "read"],
            callback_url=self._callback_url,
            on_auth_url=lambda link: said.put(("text", f"Please click the link: {link}")),
        )
        async def whose_calendar(access_token):
            return owner_of(access_token)["user"]

        def work():
            try:
                AgentIdentityContext.set_user_id(asked["user_id"])
                AgentIdentityContext.set_user_token(asked["user_id"])
                AgentIdentityContext.set_custom_state(asked["session_id"])
                said.put(("text", f"This is the calendar of {asyncio.run(whose_calendar())}."))
                said.put(("completed", None))
            except Exception as error:
                said.put(("failed", str(error)))
            finally:
                AgentIdentityContext.clear()

        threading.Thread(target=work, daemon=True).start()
        yield {"object": "response", "status": "created"}
        while True:
            kind, text = said.get()
            if kind == "text":
                yield {"object": "content", "type": "text", "delta": True, "text": text}
            else:
                yield {"object": "response", "status": kind, "error": text}
                return


class Application:
    """The web application and its agent, on one port."""

    def __init__(self, workload, provider, port=0, host="127.0.0.1"):
        application = self

        class Handler(_Handler):
            app = application

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://{host}:{self.server.server_port}"
        self.callback_url = f"{self.url}/callback"
        self.logins = {}
        self.chats = {}
        self.said = {}
        self.agent = Agent(workload, provider, self.callback_url)
        self.identity = make_client(URL)
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def join(self):
        self._thread.join()

    def chat(self, login):
        """Begins a chat of this login's; its id is the server's own, so that it is nobody else's."""
        chat = secrets.token_urlsafe(24)
        self.chats[chat] = login
        self.said[chat] = []
        return chat

    def ask_agent(self, chat):
        """The agent's events, one after another, kept for the page."""
        for event in self.agent.process({"user_id": self.logins[self.chats[chat]], "session_id": chat}):
            self.said[chat].append(event)
            yield event

    def confirm(self, login, state, session_uri):
        """What stops a forwarded link: the chat of `state` has to be this browser's own. Answers the status and a sentence."""
        if login not in self.logins:
            return 401, "Nobody is logged in here."
        if not session_uri or self.chats.get(state) != login:
            return 400, "This was not begun here."
        try:
            self.identity.confirm_user_auth(session_uri, user_token=self.logins[login])
        except Exception as error:
            return 400, f"It was refused: {error}"
        return 200, "Authorized. You may close this page."


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _answer(self, status, body, kind="application/json", **headers):
        payload = (body if kind == "text/html" else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {"content-type": f"{kind}; charset=utf-8", "content-length": str(len(payload)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(payload)

    def _page(self, status, title, inside="", **headers):
        self._answer(status, f"<!doctype html><title>{title}</title><h1>{html.escape(title)}</h1>{inside}", "text/html", **headers)

    def _login(self):
        cookie = SimpleCookie(self.headers.get("cookie", "")).get("oauthSessionId")
        return self.headers.get("SESSION-ID") or (cookie.value if cookie else None)

    def _body(self):
        return json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query))
        login = self._login()
        if url.path == "/health":
            self._answer(200, {"status": "healthy"})
        elif url.path == "/signed-in":
            # A login of the test's, in place of the sample's front end.
            session = self._sign_in(asked["id_token"])
            self._page(200, "Signed in", set_cookie=f"oauthSessionId={session}; HttpOnly; SameSite=Lax; Path=/")
        elif url.path == "/ask":
            if login not in self.app.logins:
                self._page(401, "Nobody is logged in here")
                return
            chat = self.app.chat(login)
            threading.Thread(target=lambda: list(self.app.ask_agent(chat)), daemon=True).start()
            self._page(303, "Asked", location=f"/chats/{chat}")
        elif url.path.startswith("/chats/"):
            chat = url.path.removeprefix("/chats/")
            if self.app.chats.get(chat) != login:
                self._page(404, "There is no such chat")
                return
            self._page(200, "Chat", "".join(_shown(event) for event in self.app.said[chat]))
        elif url.path == "/callback":
            status, sentence = self.app.confirm(login, asked.get("state"), asked.get("session_uri"))
            self._page(status, sentence)
        elif url.path == "/stop":
            self._answer(200, {})
            threading.Thread(target=self.app.stop, daemon=True).start()
        else:
            self._answer(404, {})

    def do_POST(self):
        body = self._body()
        if self.path == "/callback_for_oauth":
            session = self._sign_in(body["id_token"])
            self._answer(200, {"session_id": session, "user_id": claims_of(body["id_token"])["sub"]})
        elif self.path == "/chat":
            login = self._login()
            if login not in self.app.logins:
                self._answer(401, {"detail": "Not logged in"})
                return
            chat = self.app.chat(login)
            self._stream(self.app.ask_agent(chat), ["[DONE]"])
        elif self.path == "/process":
            self._stream(self.app.agent.process(body))
        else:
            self._answer(404, {})

    def _sign_in(self, id_token):
        session = secrets.token_urlsafe(24)
        self.app.logins[session] = id_token
        return session

    def _stream(self, events, after=()):
        self.send_response(200)
        for name, value in (("content-type", "text/event-stream"), ("cache-control", "no-cache"), ("connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        for number, event in enumerate(events):
            self.wfile.write(f"data: {json.dumps({**event, 'sequence_number': number})}\n\n".encode())
            self.wfile.flush()
        for line in after:
            self.wfile.write(f"data: {line}\n\n".encode())


def _shown(event):
    text = html.escape(event.get("text") or event.get("error") or event["status"])
    head, _, link = text.partition("link: ")
    return f'<p>{head}<a href="{link}">link</a></p>' if link else f"<p>{text}</p>"


if __name__ == "__main__":
    given = scene["application"]
    Application(given["workload"], given["provider"], int(sys.argv[1]), "localhost").join()
