import { describe, expectTypeOf, it } from "vitest";
import {
  type Agent,
  LegateClient,
  requiresAccessToken,
  type StsCredential,
  withAccessToken,
  withApiKey,
  withStsCredential,
  withWorkloadToken,
} from "./index.ts";

// The compiler is what fails here: these types are checked wherever the package is built, and again by examples.test.ts.
describe("the types", () => {
  it("no longer ask for what is given", () => {
    const options = { provider: "github" };
    const left = withAccessToken(options, async (_: { accessToken: string; repository: string }) => 1);
    expectTypeOf(left).toEqualTypeOf<(input: Omit<{ accessToken: string; repository: string }, "accessToken">) => Promise<number>>();
    expectTypeOf(left).parameter(0).toEqualTypeOf<{ repository: string }>();

    const nothingLeft = withAccessToken(options, async (_: { accessToken: string }) => "text");
    expectTypeOf(nothingLeft).toEqualTypeOf<() => Promise<string>>();

    const optionalLeft = withAccessToken(options, (_: { accessToken: string; page?: number }) => true);
    expectTypeOf(optionalLeft).parameters.toEqualTypeOf<[input?: { page?: number }]>();
    expectTypeOf(optionalLeft).returns.toEqualTypeOf<Promise<boolean>>();

    const more = withApiKey(options, async (_: { apiKey: string; a: 1 }, b: number, c?: string) => [b, c]);
    expectTypeOf(more).parameters.toEqualTypeOf<[input: { a: 1 }, b: number, c?: string | undefined]>();

    const union = withApiKey(options, async (_: { apiKey: string; a: 1 } | { apiKey: string; b: 2 }) => null);
    expectTypeOf(union).parameter(0).toEqualTypeOf<{ a: 1 } | { b: 2 }>();
  });

  it("know the field without an annotation, under its own name too", () => {
    withAccessToken({ provider: "github" }, ({ accessToken }) => expectTypeOf(accessToken).toEqualTypeOf<string>());
    withApiKey({ provider: "search", injectAs: "key" }, ({ key }) => expectTypeOf(key).toEqualTypeOf<string>());
    withStsCredential({}, ({ stsCredential }) => expectTypeOf(stsCredential).toEqualTypeOf<StsCredential>());
    const renamed = withWorkloadToken({ injectAs: "wat" }, async (_: { wat: string; workloadToken: number }) => 0);
    expectTypeOf(renamed).parameter(0).toEqualTypeOf<{ workloadToken: number }>();
  });

  it("keep an async generator one, and stack", () => {
    const lines = withAccessToken({ provider: "github" }, async function* (_: { accessToken: string; n: number }): AsyncGenerator<
      string,
      7,
      boolean
    > {
      yield "";
      return 7;
    });
    expectTypeOf(lines).returns.toEqualTypeOf<AsyncGenerator<string, 7, boolean>>();

    const both = withApiKey(
      { provider: "search" },
      withAccessToken({ provider: "github" }, async (_: { accessToken: string; apiKey: string; q: string }) => 1),
    );
    expectTypeOf(both).parameter(0).toEqualTypeOf<{ q: string }>();
  });

  it("refuse what cannot take the credential", () => {
    // @ts-expect-error the field takes a number
    withAccessToken({ provider: "github" }, async (_: { accessToken: number }) => 0);
    // @ts-expect-error there is no such field
    withAccessToken({ provider: "github" }, async (_: { token: string }) => 0);
    const left = withAccessToken({ provider: "github" }, async (_: { accessToken: string; a: 1 }) => 0);
    // @ts-expect-error `a` is still asked for
    const wrong = () => left();
    const nothingLeft = withAccessToken({ provider: "github" }, async (_: { accessToken: string }) => 0);
    // @ts-expect-error nothing is asked for
    const alsoWrong = () => nothingLeft({ a: 1 });
    expectTypeOf([wrong, alsoWrong]).toBeArray();
  });

  it("let a decorator only onto a method that can take the credential and whose callers get a promise or a generator", () => {
    const decorate = requiresAccessToken({ provider: "github" });
    const context = {} as ClassMethodDecoratorContext<unknown, never>;
    // Never called: the compiler is the test.
    const never = () => {
      decorate(async (_: { accessToken?: string; a: 1 }) => 1, context);
      // @ts-expect-error a synchronous method would turn asynchronous behind its type
      decorate((_: { accessToken?: string }) => 1, context);
      // @ts-expect-error the field takes a number
      decorate(async (_: { accessToken?: number }) => 1, context);
    };
    expectTypeOf(never).toBeFunction();
  });

  it("follow the contract", () => {
    const client = new LegateClient({ url: "http://localhost:1" });
    expectTypeOf(client.agents.get).returns.resolves.toEqualTypeOf<Agent>();
    expectTypeOf(client.agents.create).parameter(0).toHaveProperty("name").toEqualTypeOf<string>();
    expectTypeOf(client.auditEvents.all).returns.toExtend<AsyncIterable<{ action: string }>>();
    expectTypeOf<Awaited<ReturnType<typeof client.credentials.oauth2>>>().toExtend<
      { accessToken: string } | { authorizationUrl: string; sessionUri: string; status: "pending" }
    >();
    // @ts-expect-error a credential is asked for with a workload token
    const noBearer = () => client.credentials.apiKey({ provider: "search" });
    // @ts-expect-error `name` is required
    const noName = () => client.agents.create({});
    expectTypeOf([noBearer, noName]).toBeArray();
  });
});
