import { AgentContext, requiresAccessToken, requiresApiKey } from "./index.ts";

/** Decorators on methods, as the language has them. `examples.test.ts` compiles this file and runs it against a server. */
class Mailbox {
  readonly #folder = "inbox";

  @requiresAccessToken({ provider: "github", scopes: ["mail.read"] })
  @requiresApiKey({ provider: "search" })
  async find({ accessToken, apiKey, text }: { accessToken?: string; apiKey?: string; text: string }): Promise<string> {
    return [this.#folder, text, apiKey, accessToken?.split("/").slice(0, 3).join("/")].join(" ");
  }

  @requiresAccessToken({ provider: "github", injectAs: "token" })
  static async *watch({ token }: { token?: string } = {}): AsyncGenerator<string> {
    yield token?.split("/")[1] ?? "nobody";
  }
}

await AgentContext.run({ userId: "alice" }, async () => {
  console.log(await new Mailbox().find({ text: "hello" }));
  for await (const user of Mailbox.watch()) console.log(user);
});
