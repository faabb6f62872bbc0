import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCodes } from "../../packages/server/src/access/grants/codes.ts";
import type { Asker, TokenRequest } from "../../packages/server/src/access/grants/index.ts";
import { challengeOf } from "../../packages/server/src/access/vault/index.ts";
import { type Principal, Refusal, systemRandom } from "../../packages/server/src/ground/kernel/index.ts";
import { openTestHouse } from "../../packages/server/src/testing/house.ts";
import { startTestIssuer, type TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { adminOf, eachStore, handClock } from "../../packages/server/src/testing/stores.ts";

const admin = adminOf("default");
const verifier = "the-verifier-of-the-tests-0123456789-abcdefghijk";
const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
const type = (name: string) => `urn:ietf:params:oauth:token-type:${name}`;

const agentCount = 4;
const resourceCount = 3;
const scopeNames = ["read", "write", "send", "drop"];

/** What an operator set up: who may have which scopes where, and who is which resource. */
interface Setup {
  readonly resources: readonly {
    /** By agent: the scopes it may have there; undefined where it may not have tokens for it. */
    readonly ceilings: readonly (readonly string[] | undefined)[];
    readonly servers: readonly number[];
  }[];
}

const someScopes = fc.subarray(scopeNames);
const setups: fc.Arbitrary<Setup> = fc.record({
  resources: fc.array(
    fc.record({
      // Mostly generous, for a chain that is refused proves little.
      ceilings: fc.array(
        fc.oneof({ weight: 8, arbitrary: fc.subarray(scopeNames, { minLength: 2 }) }, { weight: 1, arbitrary: fc.constant(undefined) }),
        { minLength: agentCount, maxLength: agentCount },
      ),
      servers: fc.subarray([0, 1, 2, 3], { minLength: 2 }),
    }),
    { minLength: resourceCount, maxLength: resourceCount },
  ),
});

/** One thing that a caller tries. Numbers choose among what there is by then. */
interface Step {
  readonly kind: "own" | "user" | "workload" | "code" | "exchange" | "refresh";
  readonly agent: number;
  /** Whether whoever holds the token tries, and not just anybody. */
  readonly byHolder: boolean;
  readonly held: number;
  readonly target: number | undefined;
  readonly scopes: readonly string[] | undefined;
  readonly actor: number | undefined;
  readonly wait: number;
  readonly life: number;
}

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    kind: fc.oneof(
      { weight: 2, arbitrary: fc.constantFrom("own", "user", "workload", "code") },
      { weight: 5, arbitrary: fc.constant("exchange") },
      { weight: 2, arbitrary: fc.constant("refresh") },
    ),
    agent: fc.nat(agentCount - 1),
    byHolder: fc.boolean(),
    held: fc.nat(),
    target: fc.oneof(fc.constant(undefined), fc.nat(resourceCount - 1)),
    scopes: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: someScopes }),
    actor: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(agentCount - 1) }),
    wait: fc.nat(60),
    life: fc.integer({ min: 60, max: 900 }),
  }) as fc.Arbitrary<Step>,
  { minLength: 5, maxLength: 25 },
);

/** A token as it came out, by what it says itself. */
interface Held {
  readonly token: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  /** Agent ids, who acts now first; where there is no user, the subject last. */
  readonly chain: readonly string[];
  readonly user: string | undefined;
  readonly client: string;
  readonly endsAt: number;
}

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

eachStore("a chain of exchanges and refreshes", (fresh) => {
  let house: Awaited<ReturnType<typeof openTestHouse>>;
  const hand = handClock();
  let seen = { out: 0, passedOn: 0, deepest: 0, refused: 0 };
  let worlds = 0;

  beforeAll(async () => {
    house = await openTestHouse(await fresh(), { clock: hand.clock });
    await house.issuers.create(admin, { name: "corp", discoveryUrl: issuer.url, audiences: ["legate"] });
  });
  afterAll(() => house.close());

  const openWorld = async (setup: Setup) => {
    worlds += 1;
    const ids: string[] = [];
    for (let at = 0; at < agentCount; at += 1) {
      const { id } = await house.agents.create(admin, {
        name: `agent-${worlds}-${at}`,
        issuer: "corp",
        allowedReturnUrls: ["https://app.example/back"],
      });
      ids.push(id);
    }
    const urls = setup.resources.map((_, at) => `https://r${at}.w${worlds}.example/`);
    for (const [at, { ceilings, servers }] of setup.resources.entries()) {
      const having = (scope: string) => ids.filter((_, agent) => ceilings[agent]?.includes(scope));
      await house.clients.resources.create(admin, {
        name: `r${at}-${worlds}`,
        identifier: urls[at] ?? "",
        agents: ids.filter((_, agent) => ceilings[agent] !== undefined),
        servers: servers.map((agent) => ids[agent] ?? ""),
        scopes: scopeNames.map((name) => ({ name, agents: having(name) })),
      });
    }
    /** What an operator lets an agent have somewhere. */
    const ceilingOf = (agentId: string, audience: string) => setup.resources[urls.indexOf(audience)]?.ceilings[ids.indexOf(agentId)];
    const serves = (agentId: string, audience: string) =>
      setup.resources[urls.indexOf(audience)]?.servers.includes(ids.indexOf(agentId)) ?? false;
    return { ids, urls, ceilingOf, serves };
  };

  const askerOf = async (agentId: string): Promise<Asker> => {
    const client = await house.clients.find("default", agentId);
    if (!client?.agent) throw new Error("There is no such agent.");
    const who: Principal = {
      tenant: "default",
      caller: { kind: "agent", id: agentId },
      agent: client.agent,
      actors: [agentId],
      method: "client_secret",
      requestId: "req_test",
    };
    return { client, who };
  };

  const readToken = async (token: string): Promise<Held> => {
    const claims = await house.tokens.verify("access", token);
    return {
      token,
      audience: claims.audience,
      scopes: claims.scopes,
      chain: claims.actors.map(({ id }) => id),
      user: claims.user?.id,
      client: claims.clientId,
      endsAt: claims.expiresAt,
    };
  };

  const play = async (setup: Setup, moves: readonly Step[]): Promise<void> => {
    const { ids, urls, ceilingOf, serves } = await openWorld(setup);
    const held: Held[] = [];
    const refreshes: { text: string; agentId: string; granted: readonly string[]; audience: string }[] = [];
    const userTokenOf = (life: number) => {
      const now = Math.floor(hand.clock() / 1000);
      return issuer.sign({ sub: "alice", aud: "legate", iat: now, exp: now + life });
    };
    /** An agent that acted before, or whoever the token was sent to: those who may be expected to try. */
    const holderOf = ({ chain, audience }: Held, choice: number): string | undefined => {
      const holders = [...chain, ...ids.filter((id) => serves(id, audience))];
      return holders[choice % Math.max(1, holders.length)];
    };
    const alice = await house.users.proven(admin, issuer.url, "alice");
    const issueCode = makeCodes({ clock: hand.clock, random: systemRandom, families: { begin: house.families.begin } });

    for (const step of moves) {
      hand.forward(step.wait * 1000);
      const subject = held[step.held % Math.max(1, held.length)];
      const refresh = refreshes[step.held % Math.max(1, refreshes.length)];
      const holder = { refresh: refresh?.agentId, exchange: subject && holderOf(subject, step.held) } as Readonly<
        Record<string, string | undefined>
      >;
      const agentId = (step.byHolder ? holder[step.kind] : undefined) ?? ids[step.agent] ?? "";
      const asker = await askerOf(agentId);
      const target = step.target === undefined ? undefined : (urls[step.target] ?? "");
      const scopes = step.scopes?.length === 0 ? undefined : step.scopes;
      const ask = async (grantType: string, parameters: Readonly<Record<string, string>>) => {
        const request: TokenRequest = {
          grantType,
          parameters,
          scopes: scopes && [...scopes].sort(),
          targets: target === undefined ? [] : [target],
          dpopThumbprint: undefined,
        };
        try {
          return await house.grants.token(asker, request);
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          expect(["invalid_request", "target_invalid", "scope_invalid", "grant_invalid"]).toContain(error.code);
          seen.refused += 1;
          return undefined;
        }
      };

      let endsBy = Number.POSITIVE_INFINITY;
      let within: readonly string[] | undefined;
      let before: readonly string[] = [];
      let answer: Awaited<ReturnType<typeof ask>>;
      let codeOf: { granted: readonly string[]; audience: string } | undefined;
      if (step.kind === "own") answer = await ask("client_credentials", {});
      else if (step.kind === "user" || step.kind === "workload") {
        const userToken = await userTokenOf(step.life);
        endsBy = hand.clock() + (step.kind === "user" ? step.life : 30 * 60) * 1000;
        const subjectToken =
          step.kind === "user" ? userToken : (await house.workloadTokens.issue(admin, { agent: agentId, userToken })).token;
        answer = await ask(exchangeGrant, { subject_token: subjectToken, subject_token_type: type("jwt") });
      } else if (step.kind === "code") {
        const [audience, granted] = [target ?? urls[0] ?? "", scopes ?? scopeNames];
        const request = {
          redirectUri: "https://app.example/back",
          resource: audience,
          scopes: granted,
          codeChallenge: challengeOf(verifier),
          dpopThumbprint: undefined,
          authTime: undefined,
        };
        const { tenantEpoch } = await house.standing.chain("default", { actors: [], user: alice });
        const parties = { user: { id: alice.id, epoch: alice.epoch }, tenantEpoch };
        const { code } = await house.db.write((tx) => issueCode(tx, admin, asker.client, request, { nonce: undefined }, parties));
        within = granted;
        codeOf = { granted, audience };
        answer = await ask("authorization_code", { code, code_verifier: verifier, redirect_uri: request.redirectUri });
      } else if (step.kind === "refresh" && refresh) {
        within = refresh.granted;
        answer = await ask("refresh_token", { refresh_token: refresh.text });
        if (answer) {
          expect(agentId).toBe(refresh.agentId);
          refresh.text = answer.refreshToken ?? "";
        }
      } else if (step.kind === "exchange" && subject) {
        endsBy = subject.endsAt;
        within = subject.scopes;
        before = subject.chain;
        const actorId = step.actor === undefined ? undefined : (ids[step.actor] ?? "");
        const actorToken = actorId && (await house.workloadTokens.issue(admin, { agent: actorId })).token;
        answer = await ask(exchangeGrant, {
          subject_token: subject.token,
          subject_token_type: type("access_token"),
          ...(actorToken !== undefined && { actor_token: actorToken, actor_token_type: type("jwt") }),
        });
        if (answer) {
          const out = await readToken(answer.accessToken);
          const actor = actorId ?? agentId;
          // It is asked for by whom it belongs to, or by whom it was sent to; and only the latter carries it elsewhere.
          const passesOn = serves(agentId, subject.audience);
          expect(subject.client === agentId || passesOn).toBe(true);
          if (!passesOn) expect(out.audience).toBe(subject.audience);
          else if (out.audience !== subject.audience) seen.passedOn += 1;
          // Who acts is who asked, or whose own token was shown, and then who asked stands behind; all who acted before still stand within.
          const behind = actor === agentId || before.includes(agentId) ? before : [agentId, ...before];
          expect(out.chain).toEqual(behind[0] === actor ? behind : [actor, ...behind]);
          expect(out.chain).toContain(agentId);
          expect(out.user).toBe(subject.user);
        }
      }
      if (!answer) continue;

      const out = await readToken(answer.accessToken);
      expect(out.client).toBe(agentId);
      expect(answer.scopes).toEqual(out.scopes);
      expect(out.endsAt).toBeLessThanOrEqual(endsBy);
      if (target !== undefined) expect(out.audience).toBe(target);
      if (scopes !== undefined && step.kind !== "code") expect([...out.scopes].sort()).toEqual([...scopes].sort());
      if (within) expect(within).toEqual(expect.arrayContaining([...out.scopes]));
      // Nobody in the chain, nor who asks, has there what an operator did not let them.
      for (const id of new Set([...out.chain, agentId]))
        expect(ceilingOf(id, out.audience), `${id} at ${out.audience}`).toEqual(expect.arrayContaining([...out.scopes]));
      expect(out.chain.length).toBeLessThanOrEqual(5);
      expect(new Set(out.chain).size).toBe(out.chain.length);
      held.push(out);
      if (codeOf && answer.refreshToken !== undefined) refreshes.push({ text: answer.refreshToken, agentId, ...codeOf });
      if (step.kind === "refresh" && refresh) expect(out.audience).toBe(refresh.audience);
      seen.out += 1;
      seen.deepest = Math.max(seen.deepest, out.chain.length);
    }
  };

  test("never widens scope, audience or lifetime, whatever is asked by whom in whichever order", async () => {
    seen = { out: 0, passedOn: 0, deepest: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(setups, steps, (setup, moves) => play(setup, moves)),
      { numRuns: house.db.engine === "sqlite" ? 120 : 30 },
    );
    // What was only refused proves nothing, and neither does what never left its place.
    expect(seen.out).toBeGreaterThan(30);
    expect(seen.passedOn).toBeGreaterThan(2);
    expect(seen.deepest).toBeGreaterThanOrEqual(2);
    expect(seen.refused).toBeGreaterThan(30);
  }, 120_000);
});
