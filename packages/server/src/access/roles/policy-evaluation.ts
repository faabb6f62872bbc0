import { type Context, holds } from "./policy-conditions.ts";
import type { Patterns, PolicyDocument, Statement } from "./policy-document.ts";
import { wildcard } from "./wildcard.ts";

const covers = ({ not, patterns }: Patterns, matches: (pattern: string) => boolean): boolean => patterns.some(matches) !== not;

/** Actions are compared without regard to case, resources with it. */
const onAction = ({ actions }: Statement, action: string): boolean =>
  covers(actions, (pattern) => wildcard(pattern.toLowerCase(), action.toLowerCase()));

const onResource = ({ resources }: Statement, resource: string): boolean =>
  resources !== undefined && covers(resources, (pattern) => wildcard(pattern, resource));

/** Denied where one statement denies, whatever others allow; allowed where one allows. */
const decided = (statements: readonly Statement[]): boolean =>
  statements.some(({ effect }) => effect === "Allow") && !statements.some(({ effect }) => effect === "Deny");

/** Whether policies, taken together, let an action be done with every one of these resources. With none of either the answer is no. */
export const permits = (documents: readonly PolicyDocument[], action: string, resources: readonly string[], context: Context): boolean => {
  const applying = documents
    .flat()
    .filter((statement) => onAction(statement, action) && statement.conditions.every((condition) => holds(condition, context)));
  return resources.length > 0 && resources.every((resource) => decided(applying.filter((statement) => onResource(statement, resource))));
};

/** The service that agents are to RAM, as the trust policies of their roles name it. */
const agentService = "workload.agentidentity.aliyuncs.com";

/**
 * Whether a trust policy lets an agent take the role on: allowed to assume it, and denied neither that nor to set whom it acts for, which is done in
 * the same call.
 */
export const trusts = (document: PolicyDocument, context: Context): boolean => {
  const applying = document.filter(
    ({ services, conditions }) => services.includes(agentService) && conditions.every((condition) => holds(condition, context)),
  );
  const isDenied = applying.some((statement) => statement.effect === "Deny" && onAction(statement, "sts:SetContext"));
  return !isDenied && decided(applying.filter((statement) => onAction(statement, "sts:AssumeRole")));
};
