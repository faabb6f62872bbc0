"""The dataclasses that carry variables, filled by Legate and by hand."""

from coze_workload_identity import ProjectEnvVar, ProjectEnvVars, env_keys

from scene import Judged, scene, variables_of


class Models(Judged):
    def test_what_is_read_is_asked_for_by_name(self):
        read = variables_of(self.client())
        self.assertIsInstance(read, ProjectEnvVars)
        self.assertTrue(all(isinstance(variable, ProjectEnvVar) for variable in read))
        self.assertEqual((read["GREETING"], read.get("GREETING"), read.get("EMPTY", "default")), ("hello", "hello", ""))
        self.assertEqual((read.get("NOTHING"), read.get("NOTHING", "default")), (None, "default"))
        self.assertIn("GREETING", read)
        self.assertNotIn("NOTHING", read)
        self.assertEqual(len(read), len(scene["variables"]))
        with self.assertRaises(KeyError):
            read["NOTHING"]

    def test_what_is_read_goes_to_a_dictionary_and_back(self):
        read = variables_of(self.client())
        self.assertEqual(ProjectEnvVars.from_dict(read.to_dict()), read)
        self.assertEqual(read.to_dict()["vars"][0], {"key": "EMPTY", "value": ""})

    def test_the_first_of_two_of_one_name_counts_and_nothing_but_text_is_taken(self):
        twice = ProjectEnvVars(vars=[ProjectEnvVar("A", "1"), ProjectEnvVar("A", "2")])
        self.assertEqual((twice["A"], len(twice)), ("1", 2))
        for wrong in (lambda: ProjectEnvVar("A", 1), lambda: ProjectEnvVar(None, "1"), lambda: ProjectEnvVars(vars=["A=1"])):
            with self.assertRaises(ValueError):
                wrong()
        for wrong in ([], {}, {"vars": {}}, {"vars": ["A=1"]}, {"vars": [{"key": "A"}]}, {"vars": [{"key": "A", "value": 1}]}):
            with self.assertRaises(ValueError):
                ProjectEnvVars.from_dict(wrong)

    def test_the_names_of_the_environment_are_there(self):
        for name in (
            "COZE_WORKLOAD_IDENTITY_CLIENT_ID",
            "COZE_WORKLOAD_IDENTITY_CLIENT_SECRET",
            "COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT",
            "COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT",
            "COZE_OUTBOUND_AUTH_ENDPOINT",
            "COZE_SERVER_ENV",
        ):
            self.assertEqual(getattr(env_keys, name), name)
