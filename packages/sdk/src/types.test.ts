import { describe, expectTypeOf, it } from "vitest";
import type { Actions, AnswerOf, ParamsOf } from "./alibaba/index.ts";
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

/** A function of this type, which is never called. */
const of = <F>(): F => (() => undefined) as F;

// The compiler is what fails here: these types are checked wherever the package is built, and again by examples.test.ts.
describe("the types", () => {
  it("leave nothing of an action unchecked", () => {
    expectTypeOf<ParamsOf<Actions[string]>>().not.toBeAny();
    expectTypeOf<AnswerOf<Actions[string]>>().not.toBeAny();
  });

  it("no longer ask for what is given", () => {
    const options = { provider: "github" };
    const left = withAccessToken(options, of<(input: { accessToken: string; repository: string }) => Promise<number>>());
    expectTypeOf(left).toEqualTypeOf<(input: Omit<{ accessToken: string; repository: string }, "accessToken">) => Promise<number>>();
    expectTypeOf(left).parameter(0).toEqualTypeOf<{ repository: string }>();

    const nothingLeft = withAccessToken(options, of<(input: { accessToken: string }) => Promise<string>>());
    expectTypeOf(nothingLeft).toEqualTypeOf<() => Promise<string>>();

    const optionalLeft = withAccessToken(options, of<(input: { accessToken: string; page?: number }) => boolean>());
    expectTypeOf(optionalLeft).parameters.toEqualTypeOf<[input?: { page?: number }]>();
    expectTypeOf(optionalLeft).returns.toEqualTypeOf<Promise<boolean>>();

    const more = withApiKey(options, async ({ a }: { apiKey: string; a: 1 }, b: number, c?: string) => [a, b, c]);
    expectTypeOf(more).parameters.toEqualTypeOf<[input: { a: 1 }, b: number, c?: string | undefined]>();

    const union = withApiKey(options, of<(input: { apiKey: string; a: 1 } | { apiKey: string; b: 2 }) => null>());
    expectTypeOf(union).parameter(0).toEqualTypeOf<{ a: 1 } | { b: 2 }>();
  });

  it("know the field without an annotation, under its own name too", () => {
    withAccessToken({ provider: "github" }, ({ accessToken }) => expectTypeOf(accessToken).toEqualTypeOf<string>());
    withApiKey({ provider: "search", injectAs: "key" }, ({ key }) => expectTypeOf(key).toEqualTypeOf<string>());
    withStsCredential({}, ({ stsCredential }) => expectTypeOf(stsCredential).toEqualTypeOf<StsCredential>());
    const renamed = withWorkloadToken({ injectAs: "wat" }, of<(input: { wat: string; workloadToken: number }) => number>());
    expectTypeOf(renamed).parameter(0).toEqualTypeOf<{ workloadToken: number }>();
  });

  it("keep an async generator one, and stack", () => {
    const lines = withAccessToken(
      { provider: "github" },
      of<(input: { accessToken: string; n: number }) => AsyncGenerator<string, 7, boolean>>(),
    );
    expectTypeOf(lines).returns.toEqualTypeOf<AsyncGenerator<string, 7, boolean>>();

    const both = withApiKey(
      { provider: "search" },
      withAccessToken({ provider: "github" }, of<(input: { accessToken: string; apiKey: string; q: string }) => number>()),
    );
    expectTypeOf(both).parameter(0).toEqualTypeOf<{ q: string }>();
  });

  it("refuse what cannot take the credential", () => {
    // @ts-expect-error the field takes a number
    withAccessToken({ provider: "github" }, of<(input: { accessToken: number }) => number>());
    // @ts-expect-error there is no such field
    withAccessToken({ provider: "github" }, of<(input: { token: string }) => number>());
    const left = withAccessToken({ provider: "github" }, of<(input: { accessToken: string; a: 1 }) => number>());
    // @ts-expect-error `a` is still asked for
    const wrong = () => left();
    const nothingLeft = withAccessToken({ provider: "github" }, of<(input: { accessToken: string }) => number>());
    // @ts-expect-error nothing is asked for
    const alsoWrong = () => nothingLeft({ a: 1 });
    expectTypeOf([wrong, alsoWrong]).toBeArray();
  });

  it("let a decorator only onto a method that can take the credential and whose callers get a promise or a generator", () => {
    const decorate = requiresAccessToken({ provider: "github" });
    const context = {} as ClassMethodDecoratorContext<unknown, never>;
    // Never called: the compiler is the test.
    const never = () => {
      decorate(of<(input: { accessToken?: string; a: 1 }) => Promise<number>>(), context);
      // @ts-expect-error a synchronous method would turn asynchronous behind its type
      decorate(of<(input: { accessToken?: string }) => number>(), context);
      // @ts-expect-error the field takes a number
      decorate(of<(input: { accessToken?: number }) => Promise<number>>(), context);
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
