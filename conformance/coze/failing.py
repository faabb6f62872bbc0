"""Every error's class and text, at the moment at which it is documented: first those that Legate gives cause for, then those of endpoints that fail."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from coze_workload_identity import Client, ConfigurationError, TokenExchangeError, TokenRetrievalError, WorkloadIdentityError

from scene import IS_LATER, Judged, forget, scene, variables_of

REQUIRED = [
    "COZE_WORKLOAD_IDENTITY_CLIENT_ID",
    "COZE_WORKLOAD_IDENTITY_CLIENT_SECRET",
    "COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT",
    "COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT",
]


class Configuration(Judged):
    def test_what_is_missing_is_named_all_at_once_and_an_empty_one_is_missing(self):
        with self.assertRaises(ConfigurationError) as caught:
            Client()
        self.assertEqual(str(caught.exception), f"Missing required environment variables: {', '.join(REQUIRED)}")
        with self.assertRaises(ConfigurationError) as caught:
            self.client(COZE_WORKLOAD_IDENTITY_CLIENT_SECRET="", COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT=None)
        self.assertEqual(str(caught.exception), f"Missing required environment variables: {REQUIRED[1]}, {REQUIRED[3]}")
        self.assertIsInstance(caught.exception, WorkloadIdentityError)

    def test_without_an_outbound_address_nothing_is_asked(self):
        for outbound in (None, ""):
            client = self.client(
                COZE_OUTBOUND_AUTH_ENDPOINT=outbound, COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT="http://127.0.0.1:1/nobody"
            )
            for call in (lambda: client.get_integration_credential("weather"), lambda: variables_of(client)):
                with self.assertRaisesRegex(ConfigurationError, "^COZE_OUTBOUND_AUTH_ENDPOINT environment variable is required for "):
                    call()


class FromLegate(Judged):
    def fails(self, error, text, call):
        with self.assertRaises(Exception) as caught:
            call()
        self.assertIs(type(caught.exception), error)
        self.assertEqual(str(caught.exception), text)

    def test_who_does_not_prove_itself(self):
        token = f"{scene['url']}/coze/token"
        text = f"Failed to retrieve token: 401 Client Error: Unauthorized for url: {token}"
        for changes in (
            {"COZE_WORKLOAD_IDENTITY_CLIENT_SECRET": "wrong"},
            {"COZE_WORKLOAD_IDENTITY_CLIENT_ID": "agt_00000000000000000000000000000000"},
            {"COZE_WORKLOAD_IDENTITY_CLIENT_SECRET": scene["agents"]["second"]["clientSecret"]},
        ):
            client = self.client(**changes)
            self.fails(TokenRetrievalError, text, client.get_access_token)
            # A token's failure comes through unchanged.
            self.fails(TokenRetrievalError, text, lambda: client.get_integration_credential("weather"))
            self.fails(TokenRetrievalError, text, lambda: variables_of(client))

    def test_who_exchanges_where_nothing_is_exchanged(self):
        nowhere = f"{scene['url']}/coze/nowhere"
        client = self.client(COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT=nowhere)
        self.fails(TokenRetrievalError, f"Failed to retrieve token: 404 Client Error: Not Found for url: {nowhere}", client.get_access_token)
        secrets = f"{scene['url']}/coze/secret"
        client = self.client(COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT=secrets)
        self.fails(TokenRetrievalError, f"Failed to retrieve token: 401 Client Error: Unauthorized for url: {secrets}", client.get_access_token)

    def test_what_is_not_there(self):
        client = self.client()
        head = "Client error (404): Integration credential request failed with status 404: "
        self.fails(
            Exception, f"{head}There is no integration nobody in this project.", lambda: client.get_integration_credential("nobody")
        )
        nowhere = self.client(COZE_OUTBOUND_AUTH_ENDPOINT=f"{scene['url']}/coze/nowhere")
        self.fails(Exception, f"{head}There is nothing at this address.", lambda: nowhere.get_integration_credential("weather"))

    def test_what_does_not_parse(self):
        client = self.client()
        text = "Client error (400): Integration credential request failed with status 400: The body needs integration_name, a text of 1 to 128 characters."
        for name in ("", "x" * 129, None, 7, ["weather"]):
            self.fails(Exception, text, lambda: client.get_integration_credential(name))


class Answers(BaseHTTPRequestHandler):
    """Answers each path as the test says, and well where it says nothing."""

    given = {}
    seen = []
    good = {
        "/id": {"access_token": "id-token", "expires_in": 120},
        "/access": {"access_token": "access-token", "expires_in": 3600},
        "/secret": {"code": 0, "msg": "success", "data": {"credential": "a-credential"}},
        "/secret/integration": {"code": 0, "msg": "success", "data": {"credential": "a-credential"}},
        "/secret/env": {"code": 0, "msg": "success", "data": {"secrets": [{"key": "A", "value": "1"}]}},
    }

    def answer(self):
        path = self.path.split("?")[0]
        self.rfile.read(int(self.headers.get("content-length") or 0))
        Answers.seen.append((self.command, self.path, dict(self.headers)))
        status, body = Answers.given.get(path, (200, Answers.good.get(path)))
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


class Failing(Judged):
    @classmethod
    def setUpClass(cls):
        cls.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        cls.url = f"http://127.0.0.1:{cls.server.server_address[1]}"
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self):
        super().setUp()
        Answers.given = {}
        Answers.seen = []

    def failing(self, **given):
        """A client of endpoints of which some fail; names are steps."""
        forget()
        paths = {"id": "/id", "access": "/access", "integration": "/secret/integration" if IS_LATER else "/secret", "env": "/secret/env"}
        Answers.given = {paths[step]: answer for step, answer in given.items()}
        return self.client(
            COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT=f"{self.url}/id",
            COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT=f"{self.url}/access",
            COZE_OUTBOUND_AUTH_ENDPOINT=f"{self.url}/secret",
        )

    def fails(self, error, text, call):
        with self.assertRaises(Exception) as caught:
            call()
        self.assertIs(type(caught.exception), error, caught.exception)
        (self.assertRegex if text.startswith("^") else self.assertEqual)(str(caught.exception), text)

    def test_what_goes_over_the_wire(self):
        client = self.failing()
        os.environ["COZE_SERVER_ENV"] = "ppe_x"
        client = Client()
        client.get_integration_credential("maps")
        variables_of(client, "p")
        outbound = "/secret/integration" if IS_LATER else "/secret"
        env = "/secret/env" if IS_LATER else "/secret/env?project_id=p"
        self.assertEqual(
            [(method, path) for method, path, _ in Answers.seen], [("POST", "/id"), ("POST", "/access"), ("POST", outbound), ("GET", env)]
        )
        for _, _, headers in Answers.seen:
            self.assertEqual((headers["x-tt-env"], headers["x-use-ppe"]), ("ppe_x", "1"))

    def test_either_step_that_fails(self):
        for step in ("id", "access"):
            url = f"{self.url}/{step}"
            for (status, body), error, text in (
                ((401, {"error": "invalid_client", "error_description": "no"}), TokenRetrievalError, f"Failed to retrieve token: 401 Client Error: Unauthorized for url: {url}"),
                ((400, {"error": "invalid_request"}), TokenRetrievalError, f"Failed to retrieve token: 400 Client Error: Bad Request for url: {url}"),
                ((429, {"error": "temporarily_unavailable"}), TokenRetrievalError, f"Failed to retrieve token: 429 Client Error: Too Many Requests for url: {url}"),
                ((503, b""), TokenRetrievalError, f"Failed to retrieve token: 503 Server Error: Service Unavailable for url: {url}"),
                ((200, b"<html>"), TokenRetrievalError, "^Failed to retrieve token: Expecting value"),
                ((200, {"error": "invalid_client", "error_description": "no such client"}), TokenRetrievalError, "Token request failed: no such client"),
                ((200, {"error": "invalid_client"}), TokenRetrievalError, "Token request failed: invalid_client"),
                ((200, {"error": None, "access_token": "t"}), TokenRetrievalError, "Token request failed: None"),
            ):
                self.fails(error, text, self.failing(**{step: (status, body)}).get_access_token)

    def test_a_step_without_a_token(self):
        for body in ({}, {"access_token": ""}, {"access_token": None}, {"id_token": "x"}):
            self.fails(TokenRetrievalError, "No access_token found in ID token response", self.failing(id=(200, body)).get_access_token)
            # The only case of this class.
            self.fails(
                TokenExchangeError, "No access_token found in access token response", self.failing(access=(200, body)).get_access_token
            )

    def test_nobody_there(self):
        client = self.failing()
        os.environ["COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT"] = "http://127.0.0.1:1/id"
        client = Client()
        self.fails(TokenRetrievalError, "^Failed to retrieve token: HTTPConnectionPool", client.get_access_token)
        client = self.failing()
        os.environ["COZE_OUTBOUND_AUTH_ENDPOINT"] = "http://127.0.0.1:1"
        client = Client()
        self.fails(Exception, "^Failed to retrieve integration credential: HTTPConnectionPool", lambda: client.get_integration_credential("x"))
        self.fails(Exception, "^Failed to retrieve project environment variables: HTTPConnectionPool", lambda: variables_of(client))

    def outbound(self, step, answer):
        client = self.failing(**{step: answer})
        return (lambda: client.get_integration_credential("x")) if step == "integration" else (lambda: variables_of(client))

    def test_either_outbound_call_that_fails(self):
        for step, name, what in (
            ("integration", "Integration credential", "integration credential"),
            ("env", "Project environment variables", "project environment variables"),
        ):
            for status, body, text in (
                (404, {"code": 4, "msg": "there is none"}, f"Client error (404): {name} request failed with status 404: there is none"),
                (403, {"code": 4}, f"Client error (403): {name} request failed with status 403"),
                (429, b"slow down", f"Client error (429): {name} request failed with status 429"),
                (503, {"msg": "later"}, f"Server error (503): {name} request failed with status 503: later"),
                (201, {"code": 0}, f"Server error (201): {name} request failed with status 201"),
                (204, b"", f"Server error (204): {name} request failed with status 204"),
                (200, {"code": 7, "msg": "quota"}, f"{name} API error: code=7, msg=quota"),
                (200, {"code": 7}, f"{name} API error: code=7, msg=Unknown error"),
                (200, {"msg": "no code"}, f"{name} API error: code=None, msg=no code"),
                (200, {"code": "0", "msg": "text"}, f"{name} API error: code=0, msg=text"),
                (200, [], "Invalid response format: expected JSON object"),
                (200, {"code": 0}, "Invalid response format: missing or invalid 'data' field"),
                (200, {"code": 0, "data": []}, "Invalid response format: missing or invalid 'data' field"),
                (200, b"<html>", f"^Failed to retrieve {what}: Expecting value"),
            ):
                self.fails(Exception, text, self.outbound(step, (status, body)))

    def test_data_of_another_shape(self):
        for data, text in (
            ({}, "missing 'credential' field in data"),
            ({"credential": None}, "credential must be a string"),
            ({"credential": 7}, "credential must be a string"),
        ):
            self.fails(Exception, f"Invalid response format: {text}", self.outbound("integration", (200, {"code": 0, "data": data})))
        for secrets, text in (
            (None, "missing or invalid 'secrets' field in data"),
            ({}, "missing or invalid 'secrets' field in data"),
            (["A=1"], "secrets[0] must be a dict"),
            ([{"key": "A", "value": "1"}, {"key": "B"}], "secrets[1] must contain 'key' and 'value' keys"),
            ([{"key": "A", "value": 1}], "secrets[0] key and value must be strings"),
        ):
            self.fails(Exception, f"Invalid response format: {text}", self.outbound("env", (200, {"code": 0, "data": {"secrets": secrets}})))

    def test_what_else_an_answer_may_hold(self):
        more = {"code": 0, "more": [], "data": {"secrets": [{"key": "A", "value": "1", "more": 2}]}}
        self.assertEqual(variables_of(self.failing(env=(200, more)))["A"], "1")
        for code in (0.0, False):
            self.assertEqual(len(variables_of(self.failing(env=(200, {"code": code, "data": {"secrets": []}})))), 0)

    def test_how_long_a_token_is_kept(self):
        def flows(expires_in):
            body = {"access_token": "t", **({} if expires_in == "absent" else {"expires_in": expires_in})}
            client = self.failing(access=(200, body))
            Answers.seen = []
            for _ in range(3):
                client.get_access_token()
            return len(Answers.seen) / 2

        # Absent means an hour; a minute or less means every time.
        self.assertEqual([flows(each) for each in ("absent", 3600, 61, 60, 10, 0)], [1, 1, 1, 3, 3, 3])
        for wrong in (None, "3600"):
            with self.assertRaises(TypeError):
                flows(wrong)

    def test_a_refused_token_is_not_forgotten(self):
        client = self.failing(env=(401, {"code": 1, "msg": "dead"}))
        for _ in range(3):
            self.fails(
                Exception, "Client error (401): Project environment variables request failed with status 401: dead", lambda: variables_of(client)
            )
        self.assertEqual([path for _, path, _ in Answers.seen].count("/id"), 1)
