"""The sample, end to end: an application with logged-in users, an agent that streams, and a consent that is bound to the application's session."""

import http.client
import json
import threading
import urllib.parse

from application import Application
from person import Browser
from scene import Judged, ask, connections, fetch, log_in, name_of


class Sample(Judged):
    def setUp(self):
        super().setUp()
        self.workload, self.provider = name_of("workload"), self.make_provider()
        self.app = Application(self.workload, self.provider)
        self.addCleanup(self.app.stop)
        self.make_workload(
            name=self.workload,
            identity_provider_name="people",
            allowed_resource_oauth2_return_urls=[self.app.callback_url],
            session_binding_enabled=True,
        )

    def sign_in(self, user):
        """A browser that is logged in to the application."""
        browser = Browser(user)
        browser.open(f"{self.app.url}/signed-in?{urllib.parse.urlencode({'id_token': log_in(user)})}")
        return browser

    def events(self, path, body, **headers):
        """The events of a stream, as they come."""
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.app.url).netloc, timeout=90)
        self.addCleanup(connection.close)
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/event-stream"))
        for line in answer:
            if line.startswith(b"data: {"):
                yield json.loads(line[6:])
            elif line.startswith(b"data: "):
                yield line[6:].decode().strip()

    def text(self, event):
        self.assertEqual((event["object"], event["type"], event["delta"]), ("content", "text", True))
        return event["text"]

    def link_in(self, events):
        self.assertEqual(next(events)["status"], "created")
        text = self.text(next(events))
        self.assertIn("click the link", text)
        return text.split()[-1]

    def assert_nothing_stored(self):
        self.assertEqual([one for one in connections(self.workload) if one["state"] == "active"], [])

    def test_the_link_is_in_the_stream_and_the_stream_goes_on_when_the_person_is_back(self):
        login = fetch(f"{self.app.url}/callback_for_oauth", {"id_token": log_in("alice")})
        self.assertEqual(login["user_id"], "alice")
        events = self.events("/chat", {"input": "whose calendar?"}, **{"SESSION-ID": login["session_id"]})
        link = self.link_in(events)
        alice = Browser("alice")
        back = alice.walk(link, until=self.app.callback_url)
        # A script's login has no cookie here: the callback asks for the session.
        self.assertEqual(alice.open(back).status, 401)
        [chat] = self.app.chats
        given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))
        self.assertEqual(given["state"], chat)
        self.assertEqual(self.app.confirm(login["session_id"], chat, given["session_uri"])[0], 200)
        self.assertEqual(self.text(next(events)), "This is the calendar of alice.")
        self.assertEqual(next(events)["status"], "completed")
        self.assertEqual(next(events), "[DONE]")
        # From the vault: no link any more.
        again = list(self.events("/chat", {"input": "and now?"}, **{"SESSION-ID": login["session_id"]}))
        self.assertEqual([event.get("text") for event in again[1:-1]], ["This is the calendar of alice.", None])

    def begin(self, browser):
        """A chat of this browser's, at the point where it shows the link."""
        chat = browser.open(f"{self.app.url}/ask").location.rsplit("/", 1)[1]
        for _ in range(200):
            for event in self.app.said[chat]:
                if "link: " in event.get("text", ""):
                    return event["text"].split()[-1]
            threading.Event().wait(0.05)
        self.fail("There was no link.")

    def test_a_link_that_was_forwarded_binds_nobody_elses_account(self):
        alice, mallory = self.sign_in("alice"), self.sign_in("mallory")
        link = self.begin(alice)
        # Mallory is logged in to the application, and consents to Alice's link with an account of his own.
        back = mallory.walk(link, until=self.app.callback_url)
        self.assertEqual(mallory.open(back).status, 400)
        # Nor does it help to have Alice's browser open where his ended: the proof is used where it was made, and the person is another.
        self.assert_nothing_stored()
        self.assertEqual(Browser("carol").open(back).status, 401)
        self.assert_nothing_stored()

    def test_another_user_who_completes_is_refused_by_the_service_itself(self):
        alice = self.sign_in("alice")
        back = alice.walk(self.begin(alice), until=self.app.callback_url)
        session = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))["session_uri"]
        self.refused(
            403, "Forbidden.UserIdentifier", lambda: self.client.confirm_user_auth(session, user_token=log_in("mallory"))
        )
        self.assert_nothing_stored()
        self.assertEqual(alice.open(back).status, 400)
        self.assert_nothing_stored()

    def test_a_callback_that_is_opened_twice_changes_nothing(self):
        alice = self.sign_in("alice")
        back = alice.walk(self.begin(alice), until=self.app.callback_url)
        self.assertEqual(alice.open(back).status, 200)
        before = connections(self.workload)
        self.assertEqual(len(before), 1)
        self.assertEqual(alice.open(back).status, 400)
        self.assertEqual(connections(self.workload), before)

    def test_what_the_samples_scripts_prepare_and_clear(self):
        """`prepare` tolerates what is there already; `clear` pages through the workloads and deletes those of an identity provider, then the rest."""
        names = [self.make_workload(identity_provider_name="people") for _ in range(3)]
        for name in names:
            self.refused(
                409,
                "EntityAlreadyExists.WorkloadIdentity",
                lambda name=name: self.control("create_workload_identity", workload_identity_name=name),
            )
        token, found = None, []
        while True:
            page = self.control("list_workload_identities", max_results=2, **({"next_token": token} if token else {}))
            found += [one["WorkloadIdentityName"] for one in page["WorkloadIdentities"] if one.get("IdentityProviderName") == "people"]
            token = page.get("NextToken")
            if token is None:
                break
        self.assertLessEqual(set(names), set(found))
        for name in names:
            self.control("delete_workload_identity", workload_identity_name=name)
        listed = [agent["name"] for agent in ask("GET", "/v1/agents?limit=500")["items"]]
        self.assertEqual(set(names) & set(listed), set())
