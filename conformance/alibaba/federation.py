"""A user's consent by the original: its decorator and its methods on one side, a person with a browser on the other. Both session bindings."""

import asyncio
import functools
import os

from agent_identity_python_sdk import AgentIdentityContext, IdentityClient
from agent_identity_python_sdk.core import decorators

from person import Browser, query_of
from scene import URL, Judged, ask, call, connections, log_in, owner_of, scene

decorators.IdentityClient = functools.partial(IdentityClient, data_api_endpoint=URL, control_api_endpoint=URL)

from agent_identity_python_sdk import requires_access_token  # noqa: E402

BACK = "http://127.0.0.1:9/back?app=1"
STATE = "st&ate=x#%26/+ 仓"


class Federation(Judged):
    def setUp(self):
        super().setUp()
        self.provider = self.make_provider()
        self.workload = None

    def agent(self, user="alice", return_urls=(BACK,), **fields):
        """A workload identity that acts for this user, in the context that its tools see."""
        self.workload = self.make_workload(allowed_resource_oauth2_return_urls=list(return_urls), **fields)
        os.environ["AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME"] = self.workload
        self.act_for(user)

    def act_for(self, user):
        AgentIdentityContext.clear()
        AgentIdentityContext.set_user_id(user)
        AgentIdentityContext.set_custom_state(STATE)

    def tool(self, on_auth_url=None, poll_for_token=False, callback_url=BACK, **given):
        """Called, answers the token."""
        wanted = {"credential_provider_name": self.provider, "scopes": ["openid", "read"], "callback_url": callback_url, **given}

        @requires_access_token(on_auth_url=on_auth_url, poll_for_token=poll_for_token, **wanted)
        def tool(access_token):
            return access_token

        return tool

    def link(self, **given):
        """The link that a person is to open: the call ends there."""
        links = []
        with self.assertRaisesRegex(RuntimeError, "authorization URL"):
            self.tool(links.append, **given)()
        [link] = links
        self.assertTrue(link.startswith(f"{URL}/"), link)
        return link

    def walk(self, link, user="alice", **how):
        """A fresh browser, to the application's door; answers what it was given there."""
        return query_of(Browser(user).walk(link, until=BACK, **how))

    def begin(self):
        """What the generated client is answered when a consent begins, and how it polls."""
        wat = self.client.get_workload_access_token(self.workload, user_id="alice")
        asked = {
            "resource_credential_provider_name": self.provider,
            "workload_access_token": wat,
            "scopes": ["openid", "read"],
            "resource_oauth2_return_url": BACK,
            "custom_state": STATE,
        }
        client = self.spender(wat)
        begun = self.answered(call(client, "get_resource_oauth2_token", **asked))
        poll = {**asked, "session_uri": begun["SessionURI"]}
        return begun, lambda: self.answered(call(client, "get_resource_oauth2_token", **poll))

    def assert_nothing_stored(self):
        self.assertEqual([one for one in connections(self.workload) if one["state"] == "active"], [])


class Bound(Federation):
    """`SessionBindingEnabled` true, and left out with a return URL: the application names its user."""

    def test_the_whole_walk_while_the_tool_waits(self):
        for bound in (True, None):
            for kind in ("sync", "async"):
                with self.subTest(bound=bound, kind=kind):
                    self.agent(session_binding_enabled=bound)

                    def consent(link):
                        back = self.walk(link)
                        self.assertEqual(set(back), {"app", "session_uri", "state"})
                        self.assertEqual((back["app"], back["state"]), ("1", STATE))
                        # The code is not exchanged yet.
                        self.assert_nothing_stored()
                        response = self.client.confirm_user_auth(back["session_uri"], user_id="alice")
                        self.assertEqual(list(self.answered(response)), ["RequestId"])

                    async def consent_async(link):
                        await asyncio.to_thread(consent, link)

                    token = self.tool(consent if kind == "sync" else consent_async, poll_for_token=True)()
                    owner = owner_of(token)
                    self.assertEqual((owner["user"], sorted(owner["scopes"])), ("alice", ["openid", "read"]))
                    # From the vault, without a person.
                    self.assertEqual(self.tool()(), token)

    def test_a_tool_that_waits_is_given_the_token_by_a_later_poll(self):
        self.agent()
        waiting = []
        token = []

        async def main():
            async def keep(link):
                waiting.append(link)

            @requires_access_token(
                credential_provider_name=self.provider, scopes=["openid", "read"], callback_url=BACK, on_auth_url=keep
            )
            async def tool(access_token):
                token.append(access_token)

            asked = asyncio.create_task(tool())
            while not waiting:
                await asyncio.sleep(0.05)
            back = await asyncio.to_thread(self.walk, waiting[0])
            await asyncio.to_thread(self.client.confirm_user_auth, back["session_uri"], "alice")
            await asked

        asyncio.run(main())
        self.assertEqual(owner_of(token[0])["user"], "alice")

    def test_a_user_known_by_a_token_is_confirmed_by_it(self):
        self.agent(identity_provider_name="people")
        proof = log_in("alice")
        AgentIdentityContext.set_user_token(proof)
        back = self.walk(self.link())
        # A user known by an id is another user.
        self.refused(403, "Forbidden.UserIdentifier", lambda: self.client.confirm_user_auth(back["session_uri"], user_id="alice"))
        self.assert_nothing_stored()
        back = self.walk(self.link())
        self.client.confirm_user_auth(back["session_uri"], user_token=proof)
        self.assertEqual(owner_of(self.tool()())["user"], "alice")

    def test_what_was_asked_reaches_the_provider(self):
        self.agent()
        browser = Browser("alice")
        browser.walk(self.link(custom_parameters={"login_hint": "al ice&x", "ui_locales": "de"}), until=BACK)
        [asked] = [query_of(url) for url in browser.visited if url.startswith(f"{scene['provider']}/auth?")]
        self.assertEqual((asked["login_hint"], asked["ui_locales"]), ("al ice&x", "de"))
        self.assertEqual(sorted(asked["scope"].split()), ["openid", "read"])
        self.assertEqual(asked["code_challenge_method"], "S256")
        for name in ("client_id", "redirect_uri", "state", "scope", "code_challenge"):
            with self.subTest(name):
                self.refused(400, "InvalidParameter.CustomParameters", lambda name=name: self.tool(custom_parameters={name: "x"})())

    def test_forced_it_asks_again_though_there_is_a_token(self):
        self.agent()
        self.client.confirm_user_auth(self.walk(self.link())["session_uri"], user_id="alice")
        first = self.tool()()
        again = []

        def consent(link):
            again.append(link)
            self.client.confirm_user_auth(self.walk(link)["session_uri"], user_id="alice")

        second = self.tool(consent, poll_for_token=True, force_authentication=True)()
        self.assertEqual(len(again), 1)
        self.assertNotEqual(second, first)
        self.assertEqual(self.tool()(), second)

    def test_each_user_and_each_workload_has_their_own(self):
        self.agent()
        self.client.confirm_user_auth(self.walk(self.link())["session_uri"], user_id="alice")
        token = self.tool()()
        self.act_for("bob")
        self.client.confirm_user_auth(self.walk(self.link(), "bob")["session_uri"], user_id="bob")
        self.assertEqual(owner_of(self.tool()())["user"], "bob")
        self.act_for("alice")
        self.assertEqual(self.tool()(), token)
        self.agent()
        self.link()

    def test_another_user_completing_is_refused_and_nothing_is_stored(self):
        self.agent()
        session = self.walk(self.link())["session_uri"]
        self.refused(403, "Forbidden.UserIdentifier", lambda: self.client.confirm_user_auth(session, user_id="mallory"))
        self.assert_nothing_stored()
        # And the consent is over.
        with self.assertRaises(Exception):
            self.client.confirm_user_auth(session, user_id="alice")
        self.assert_nothing_stored()
        self.link()

    def test_a_second_completion_is_refused(self):
        self.agent()
        session = self.walk(self.link())["session_uri"]
        self.client.confirm_user_auth(session, user_id="alice")
        token = self.tool()()
        self.refused(409, "AuthorizationSessionUsed", lambda: self.client.confirm_user_auth(session, user_id="alice"))
        self.assertEqual(self.tool()(), token)

    def test_the_agent_cannot_complete_what_it_began(self):
        """The session that the browser carries back is another than the one the agent was told."""
        self.agent()
        begun, poll = self.begin()
        self.walk(begun["AuthorizationURL"])
        with self.assertRaises(Exception):
            self.client.confirm_user_auth(begun["SessionURI"], user_id="alice")
        self.assert_nothing_stored()
        self.assertNotIn("AccessToken", poll())

    def test_a_link_that_was_forwarded_ends_in_the_browser_that_opened_it(self):
        self.agent()
        link = self.link()
        # Alice begins, and stops at the callback; Mallory follows it in a browser of his own.
        alice = Browser("alice")
        callback = alice.walk(link, until=f"{URL}/callback/")
        page = Browser("mallory").open(callback)
        self.assertEqual(page.status, 403)
        self.assertIsNone(page.location)
        self.assert_nothing_stored()
        # Alice is not kept from it.
        back = query_of(alice.walk(callback, until=BACK))
        self.client.confirm_user_auth(back["session_uri"], user_id="alice")
        self.assertEqual(owner_of(self.tool()())["user"], "alice")

    def test_each_poll_tells_how_it_stands(self):
        self.agent()
        begun, poll = self.begin()
        self.assertEqual((begun["SessionStatus"], set(begun)), ("IN_PROGRESS", {"RequestId", "AuthorizationURL", "SessionURI", "SessionStatus"}))
        told = poll()
        self.assertEqual((told["SessionStatus"], told["SessionURI"]), ("IN_PROGRESS", begun["SessionURI"]))
        back = self.walk(begun["AuthorizationURL"])
        self.assertEqual(poll()["SessionStatus"], "IN_PROGRESS")
        self.client.confirm_user_auth(back["session_uri"], user_id="alice")
        self.assertEqual(owner_of(poll()["AccessToken"])["user"], "alice")

    def test_a_person_who_says_no(self):
        self.agent()
        begun, poll = self.begin()
        back = self.walk(begun["AuthorizationURL"], says="deny")
        self.assertEqual((back["error"], back["state"]), ("access_denied", STATE))
        self.refused(403, "Forbidden.AuthorizationDenied", poll)
        with self.assertRaises(Exception):
            self.client.confirm_user_auth(back["session_uri"], user_id="alice")
        self.assert_nothing_stored()

    def test_a_return_url_has_to_be_there_and_on_the_list_character_for_character(self):
        self.agent(session_binding_enabled=True)
        self.refused(400, "MissingParameter.ResourceOAuth2ReturnURL", self.tool(callback_url=None))
        for other in (BACK + "&", BACK.upper(), BACK.replace("http:", "https:"), BACK.split("?")[0]):
            self.refused(400, "Missmatch.ResourceOAuth2ReturnURL", self.tool(callback_url=other))


class Unbound(Federation):
    """`SessionBindingEnabled` false: whoever opens the link decides."""

    def test_without_a_return_url_the_browser_ends_on_a_page_of_legates(self):
        self.agent(session_binding_enabled=False, return_urls=())

        def consent(link):
            page = Browser("alice").walk(link)
            self.assertEqual(page.status, 200)
            self.assertIn("Connected", page.text)

        token = self.tool(consent, poll_for_token=True, callback_url=None)()
        self.assertEqual(owner_of(token)["user"], "alice")

    def test_with_a_return_url_the_browser_is_sent_there_and_the_token_is_stored_already(self):
        self.agent(session_binding_enabled=False)
        back = self.walk(self.link())
        self.assertEqual(back["state"], STATE)
        self.assertIn("session_uri", back)
        self.assertEqual(owner_of(self.tool()())["user"], "alice")

    def test_a_return_url_that_is_not_on_the_list_is_refused_here_too(self):
        self.agent(session_binding_enabled=False)
        self.refused(400, "Missmatch.ResourceOAuth2ReturnURL", self.tool(callback_url="http://127.0.0.1:9/elsewhere"))


class Ended(Federation):
    def test_a_connection_that_is_taken_back_is_asked_for_again(self):
        self.agent()
        self.client.confirm_user_auth(self.walk(self.link())["session_uri"], user_id="alice")
        self.tool()()
        [connection] = connections(self.workload)
        ask("DELETE", f"/v1/connections/{connection['id']}")
        self.link()

    def test_a_suspended_workload_has_no_token_from_the_next_call_on(self):
        self.agent()
        self.client.confirm_user_auth(self.walk(self.link())["session_uri"], user_id="alice")
        tool = self.tool()
        tool()
        ask("POST", f"/v1/agents/{self.workload}/suspend")
        with self.assertRaises(Exception) as caught:
            tool()
        self.assertEqual(getattr(caught.exception, "status_code", None), 403)
