"""What 0.1.14 has beyond 0.1.2: skill environments, which Legate serves, and the helpers for a proxy and its certificates, which need no server."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from coze_workload_identity import CaBundlePath, ConfigurationError, HttpsProxy, SkillEnvAPIError, ensure_skill_env_loaded, load_skill_env
from coze_workload_identity import requests as proxied
from coze_workload_identity import skill_env

from scene import Judged, scene

# As long as the platform's own, and beyond what a double holds.
AGENT, SKILL = "7461234567890123457", "7469999999999999993"


class SkillEnvironments(Judged):
    def setUp(self):
        super().setUp()
        self.before = dict(os.environ)
        self.addCleanup(self.restore)
        skill_env._reset_skill_env_for_tests()
        os.environ["COZE_SKILL_ENV_ENDPOINT"] = f"{scene['url']}/coze/skill-envs"

    def restore(self):
        for name in set(os.environ) - set(self.before):
            del os.environ[name]
        os.environ.update(self.before)

    def skill(self, key=None, skills=None):
        """A skill's file in a folder as the platform lays it out."""
        home = tempfile.mkdtemp(dir=os.environ["LEGATE_WORK"])
        agent = Path(home, ".coze", "agents", AGENT)
        source = agent / "skills" / "weather" / "main.py"
        source.parent.mkdir(parents=True)
        source.write_text("")
        usual = [{"relPath": "skills/other", "skillId": "1"}, {"relPath": "/skills/weather/", "skillID": SKILL}]
        config = {"patToken": key or scene["agents"]["reader"]["apiKey"], "skills": usual if skills is None else skills}
        (agent / "config.json").write_text(json.dumps(config))
        return str(source)

    def test_a_skill_reads_the_project_of_the_agent_whose_key_it_has(self):
        os.environ["GREETING"] = "from before"
        self.assertIs(load_skill_env(self.skill()), True)
        for name, value in scene["variables"].items():
            self.assertEqual(os.environ[name], value)
        self.assertEqual((os.environ["agent_id"], os.environ["skill_id"]), (AGENT, SKILL))

    def test_it_is_loaded_once_unless_it_is_forced(self):
        source = self.skill()
        self.assertIs(load_skill_env(source), True)
        del os.environ["GREETING"]
        self.assertIs(load_skill_env(source), True)
        self.assertNotIn("GREETING", os.environ)
        self.assertIs(load_skill_env(source, force=True), True)
        self.assertEqual(os.environ["GREETING"], "hello")
        self.assertIs(ensure_skill_env_loaded(), True)

    def test_a_key_that_is_none_and_an_address_that_is_none_are_survived(self):
        for key in ("wrong", f"sk_{'0' * 64}", scene["agents"]["reader"]["clientSecret"]):
            self.assertIs(load_skill_env(self.skill(key), force=True), False)
        os.environ["COZE_SKILL_ENV_ENDPOINT"] = f"{scene['url']}/coze/nowhere"
        self.assertIs(load_skill_env(self.skill(), force=True), False)
        self.assertNotIn("GREETING", os.environ)

    def test_an_agent_without_variables_loads_none(self):
        self.assertIs(load_skill_env(self.skill(scene["agents"]["stranger"]["apiKey"]), force=True), False)

    def test_without_a_matching_skill_nothing_is_asked(self):
        os.environ["COZE_SKILL_ENV_ENDPOINT"] = "http://127.0.0.1:1"
        self.assertIs(load_skill_env(self.skill(skills=[]), force=True), True)
        self.assertEqual(os.environ["agent_id"], AGENT)
        self.assertNotIn("skill_id", os.environ)
        self.assertIs(load_skill_env("/nowhere/main.py", force=True), False)

    def test_a_skill_that_imports_the_package_has_its_variables(self):
        source = Path(self.skill())
        source.write_text(
            textwrap.dedent(
                """
                import os
                import coze_workload_identity
                print(os.environ["GREETING"], os.environ["SCRIPT"])
                """
            )
        )
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
        ran = subprocess.run([sys.executable, str(source)], env=environment, capture_output=True, timeout=60, check=True)
        self.assertEqual(ran.stdout.decode().split("\n")[0], "hello 仓库 🔑 é")

    def test_its_error_is_the_whole_answer(self):
        error = SkillEnvAPIError({"BaseResp": {"StatusCode": 7}})
        self.assertEqual(str(error), 'GetSkillEnvs error: {"BaseResp": {"StatusCode": 7}}')
        with self.assertRaises(SkillEnvAPIError):
            skill_env._extract_env_map({"code": 7, "msg": "no", "BaseResp": {"StatusCode": 7, "StatusMessage": "no"}})


class Proxies(Judged):
    def setUp(self):
        super().setUp()
        os.environ.update(COZE_OUTBOUND_AUTH_PROXY="http://old:secret@proxy.example:8080/x?y=1", identity_ticket="a b+c/d")

    def test_the_proxys_address_carries_the_ticket_and_no_other_credential(self):
        self.assertEqual(HttpsProxy(), "http://space:a+b%2Bc%2Fd@proxy.example:8080/x?y=1")
        os.environ["COZE_SKILL_PROXY_DOMAIN"] = "https://first.example"
        self.assertEqual(HttpsProxy(), "https://space:a+b%2Bc%2Fd@first.example")

    def test_without_a_proxy_or_a_ticket_there_is_no_address(self):
        del os.environ["identity_ticket"]
        with self.assertRaisesRegex(ConfigurationError, "^identity_ticket environment variable is not configured"):
            HttpsProxy()
        del os.environ["COZE_OUTBOUND_AUTH_PROXY"]
        with self.assertRaisesRegex(ConfigurationError, "^Neither COZE_SKILL_PROXY_DOMAIN nor COZE_OUTBOUND_AUTH_PROXY"):
            HttpsProxy()

    def test_certificates_are_a_file_a_text_or_none(self):
        self.assertIsNone(CaBundlePath())
        os.environ["COZE_OUTBOUND_AUTH_PROXY_CA_PATH"] = "/nowhere/ca.pem"
        with self.assertRaises(ValueError):
            CaBundlePath()
        os.environ["COZE_OUTBOUND_AUTH_PROXY_CA_PATH"] = __file__
        self.assertEqual(CaBundlePath(), __file__)
        os.environ["COZE_OUTBOUND_AUTH_PROXY_CA"] = "-----BEGIN CERTIFICATE-----"
        made = CaBundlePath()
        self.assertEqual(Path(made).read_text(), "-----BEGIN CERTIFICATE-----")
        self.assertEqual(CaBundlePath(), made)

    def test_a_session_goes_through_the_proxy_and_trusts_its_certificates_alone(self):
        with self.assertRaises(ValueError):
            proxied.session()
        os.environ["COZE_OUTBOUND_AUTH_PROXY_CA_PATH"] = __file__
        session = proxied.session()
        address = HttpsProxy()
        self.assertEqual((session.proxies, session.verify, session.trust_env), ({"https": address, "http": address}, __file__, False))
