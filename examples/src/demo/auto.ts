import { AgentContext, LegateApiError } from "@legate/sdk";
import type { Findings } from "./agent.ts";
import type { Visit } from "./app.ts";
import { makePerson } from "./person.ts";
import type { Stage } from "./stage.ts";

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

const must: (holds: boolean, otherwise: string) => asserts holds = (holds, otherwise) => {
  if (!holds) throw new Error(otherwise);
};

const told = ({ user, scopes, tokenHash }: Findings) =>
  `acts for ${user}, may ${scopes.join(", ")} (SHA-256 of the token begins ${tokenHash})`;

/** Plays the people, and checks at each step what Legate promises. */
export const playItself = async (
  stage: Stage,
  visits: readonly Visit[],
  { say, step, accessTokenSeconds }: { say: (text: string) => void; step: (text: string) => void; accessTokenSeconds: number },
): Promise<void> => {
  step("Two people open the link at the same time, log in and allow access");
  const names = ["alice", "bob"];
  await Promise.all(names.map((name) => makePerson(name).open(stage.link)));
  const people = names.map((name) => {
    const visit = visits.find(({ findings }) => findings.user === name);
    must(visit !== undefined, `The agent was not given a token of ${name}.`);
    say(`for ${name}: the agent ${told(visit.findings)}`);
    return { name, ...visit };
  });
  must(new Set(people.map(({ findings }) => findings.tokenHash)).size === names.length, "Two people were served the same token.");

  step(`The tokens live ${accessTokenSeconds} seconds. After that, eight copies of the agent ask for alice's at the same moment`);
  await pause(accessTokenSeconds * 1000 + 200);
  const alice = people[0];
  must(alice !== undefined, "Nobody is there.");
  const before = stage.provider.tokenCalls().refresh_token;
  const copies = Array.from({ length: 8 }, () => stage.copyOfAgent());
  const again = await Promise.all(copies.map((copy) => AgentContext.run({ userToken: alice.userToken }, copy)));
  const refreshes = stage.provider.tokenCalls().refresh_token - before;
  const hashes = new Set(again.map(({ tokenHash }) => tokenHash));
  for (const findings of again.slice(0, 1)) say(`each of the eight ${told(findings)}`);
  must(
    again.every(({ user }) => user === alice.name),
    "A copy of the agent was given somebody else's token.",
  );
  must(hashes.size === 1 && !hashes.has(alice.findings.tokenHash), "The copies should hold one new token.");
  must(refreshes === 1, `The provider was asked ${refreshes} times to refresh; once was promised.`);
  say("the provider was asked to refresh once, and nobody was asked to consent again");

  step("The operator suspends the agent");
  await stage.admin.agents.suspend(stage.agentName);
  const suspendedAt = performance.now();
  const [copy] = copies;
  must(copy !== undefined, "No copy of the agent is there.");
  const refusal = await AgentContext.run({ userToken: alice.userToken }, copy).then(
    () => undefined,
    (error: unknown) => error,
  );
  const took = Math.round(performance.now() - suspendedAt);
  must(refusal instanceof LegateApiError, "The suspended agent was still served.");
  must(took < 1000, `The refusal took ${took} ms; less than a second was promised.`);
  say(`its next call was refused after ${took} ms: ${refusal.code} (${refusal.message})`);
};
