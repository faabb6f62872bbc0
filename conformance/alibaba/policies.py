"""Policy sets, policies and gateways: the fifteen operations, through the generated client."""

from alibabacloud_agentidentity20250901 import models

from control_plane import ControlPlane
from scene import ACCOUNT, REGION, arn, name_of

PERMIT = 'permit(principal, action == AIGateway::Action::"mcp-servers.maps.search", resource);'
FORBID = 'forbid(principal, action, resource) when { context.sourceIp == "10.0.0.1" };'


def definition(statement):
    return models.Definition(cedar=models.DefinitionCedar(statement=statement))


class Policies(ControlPlane):
    def make_set(self, **fields):
        name = name_of("set")
        self.control("create_policy_set", policy_set_name=name, **fields)
        return name

    def gateway(self):
        return f"acs:apig:{REGION}:{ACCOUNT}:gateway/{name_of('gw')}"

    def test_a_set_is_made_read_changed_and_deleted(self):
        name = name_of("set")
        made = self.control("create_policy_set", policy_set_name=name, description="tools", source_platform="AgentRun")["PolicySet"]
        self.assert_moments(made, "CreateTime")
        whole = {"PolicySetName": name, "PolicySetArn": arn(f"policyset/{name}"), "Description": "tools", "SourcePlatform": "AgentRun"}
        self.assertEqual({key: made[key] for key in whole}, whole)
        self.refused(409, "EntityAlreadyExists.PolicySet", lambda: self.control("create_policy_set", policy_set_name=name))
        self.assert_only_request_id(self.control("update_policy_set", policy_set_name=name, description="all tools"))
        read = self.control("get_policy_set", policy_set_name=name)["PolicySet"]
        self.assert_moments(read, "CreateTime", "UpdateTime")
        self.assertEqual((read["Description"], read["SourcePlatform"]), ("all tools", "AgentRun"))
        self.assert_only_request_id(self.control("delete_policy_set", policy_set_name=name))
        self.refused(404, "EntityNotExists.PolicySet", lambda: self.control("get_policy_set", policy_set_name=name))

    def test_sets_are_listed_page_by_page(self):
        made = {self.make_set() for _ in range(5)}
        found = {one["PolicySetName"] for one in self.all_of("list_policy_sets", "PolicySets")}
        self.assertLessEqual(made, found)

    def test_a_policy_is_made_read_changed_and_deleted(self):
        of = {"policy_set_name": self.make_set(), "policy_name": name_of("policy")}
        made = self.control("create_policy", **of, definition=definition(PERMIT), description="search")["Policy"]
        self.assert_moments(made, "CreateTime")
        self.assertEqual(made["Definition"], definition(PERMIT).to_map())
        self.assertEqual((made["PolicyName"], made["PolicySetName"], made["Description"]), (of["policy_name"], of["policy_set_name"], "search"))
        self.assertTrue(made["PolicyArn"].startswith(arn(f"policyset/{of['policy_set_name']}/")), made["PolicyArn"])
        self.refused(409, "EntityAlreadyExists.Policy", lambda: self.control("create_policy", **of, definition=definition(PERMIT)))
        self.assert_only_request_id(self.control("update_policy", **of, definition=definition(FORBID)))
        read = self.control("get_policy", **of)["Policy"]
        self.assert_moments(read, "CreateTime", "UpdateTime")
        self.assertEqual((read["Definition"], read["Description"]), (definition(FORBID).to_map(), "search"))
        self.assert_only_request_id(self.control("delete_policy", **of))
        self.refused(404, "EntityNotExists.Policy", lambda: self.control("get_policy", **of))

    def test_policies_are_listed_page_by_page_each_set_its_own(self):
        mine, other = self.make_set(), self.make_set()
        for at in range(5):
            self.control("create_policy", policy_set_name=mine, policy_name=f"policy-{at}", definition=definition(PERMIT))
        self.control("create_policy", policy_set_name=other, policy_name="policy-9", definition=definition(FORBID))
        found = self.all_of("list_policies", "Policies", policy_set_name=mine)
        self.assertEqual({one["PolicyName"] for one in found}, {f"policy-{at}" for at in range(5)})
        self.assertEqual(found[0]["Definition"], definition(PERMIT).to_map())
        self.refused(404, "EntityNotExists.PolicySet", lambda: self.control("list_policies", policy_set_name=name_of("nothing")))

    def test_what_is_no_cedar_is_not_taken(self):
        of = {"policy_set_name": self.make_set(), "policy_name": "bad"}
        for statement in ("permit(", "allow everything;", "", PERMIT + FORBID):
            error = self.refused(400, "InvalidParameter.Definition", lambda: self.control("create_policy", **of, definition=definition(statement)))
            self.assertIn("Cedar", error.message)
        self.refused(404, "EntityNotExists.Policy", lambda: self.control("get_policy", **of))

    def test_a_gateway_has_one_set_and_a_mode(self):
        mine, other, gateway = self.make_set(), self.make_set(), self.gateway()
        self.refused(404, "EntityNotExists.Gateway", lambda: self.control("get_gateway_policy_config", gateway_arn=gateway))
        at = {"gateway_arn": gateway, "gateway_type": "AIGateway"}
        self.assert_only_request_id(self.control("attach_policy_set_to_gateway", policy_set_name=mine, enforcement_mode="LOG_ONLY", **at))
        config = {"EnforcementMode": "LOG_ONLY", "PolicySetArn": arn(f"policyset/{mine}")}
        self.assertEqual(self.control("get_gateway_policy_config", **at)["GatewayPolicyConfig"], config)
        with self.assertRaises(Exception):
            self.control("attach_policy_set_to_gateway", policy_set_name=other, enforcement_mode="ENFORCE", **at)
        changed = self.control("update_gateway_policy_config", enforcement_mode="ENFORCE", **at)["GatewayPolicyConfig"]
        self.assertEqual(changed, {**config, "EnforcementMode": "ENFORCE"})
        [attached] = self.control("list_policy_set_attached_gateways", policy_set_name=mine)["AttachedGateways"]
        self.assert_moments(attached, "AttachedTime")
        del attached["AttachedTime"]
        self.assertEqual(
            attached,
            {"AttachedPolicySetName": mine, "EnforcementMode": "ENFORCE", "GatewayArn": gateway, "GatewayType": "AIGateway"},
        )
        # It is at work: it cannot go.
        with self.assertRaises(Exception):
            self.control("delete_policy_set", policy_set_name=mine)
        self.assert_only_request_id(self.control("detach_policy_set_from_gateway", policy_set_name=mine, **at))
        self.assertEqual(self.control("list_policy_set_attached_gateways", policy_set_name=mine)["AttachedGateways"], [])
        self.assert_only_request_id(self.control("delete_policy_set", policy_set_name=mine))

    def test_attached_gateways_are_listed_page_by_page(self):
        mine = self.make_set()
        made = {self.gateway() for _ in range(3)}
        for gateway in made:
            self.control("attach_policy_set_to_gateway", policy_set_name=mine, gateway_arn=gateway, enforcement_mode="ENFORCE")
        runner = f"acs:agentrun:{REGION}:{ACCOUNT}:mcp/{name_of('m')}"
        self.control(
            "attach_policy_set_to_gateway", policy_set_name=mine, gateway_arn=runner, gateway_type="AgentRunMCP", enforcement_mode="ENFORCE"
        )
        found = self.all_of("list_policy_set_attached_gateways", "AttachedGateways", policy_set_name=mine)
        # Those of the other kind are listed where it is named.
        self.assertEqual({one["GatewayArn"] for one in found}, made)
        [one] = self.control("list_policy_set_attached_gateways", policy_set_name=mine, gateway_type="AgentRunMCP")["AttachedGateways"]
        self.assertEqual(one["GatewayArn"], runner)
