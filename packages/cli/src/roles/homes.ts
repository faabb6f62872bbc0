import { type Context, type Option, textOf, type Typed } from "../command.ts";
import { misused } from "../failure.ts";
import type { Home } from "./home.ts";
import { legateHome } from "./legate-home.ts";

/** Options that say where roles and workloads are made. */
export const homeOptions: readonly Option[] = [
  {
    flag: "cloud",
    value: "choice",
    choices: ["legate", "alibaba"],
    description:
      "Where it is made: at a Legate server, unless said; or at Alibaba Cloud, with the credentials that its own tools would find. --endpoint is then that of Agent Identity.",
  },
  { flag: "region", value: "name", description: "Alibaba Cloud's region; else AGENT_IDENTITY_REGION_ID, else cn-beijing." },
  { flag: "ram-endpoint", value: "url", description: "Where RAM is, if not at Alibaba Cloud." },
  { flag: "sts-endpoint", value: "url", description: "Where STS is, if not at Alibaba Cloud." },
];

/** Where the options say that things are made. @throws CommandFailure, ConfigurationError */
export const homeOf = async (context: Context, typed: Typed): Promise<Home> => {
  const [region, ramEndpoint, stsEndpoint] = (["region", "ram-endpoint", "sts-endpoint"] as const).map((flag) => textOf(typed, flag));
  if (textOf(typed, "cloud") !== "alibaba") {
    if (region !== undefined || ramEndpoint !== undefined || stsEndpoint !== undefined)
      throw misused("--region, --ram-endpoint and --sts-endpoint belong to --cloud alibaba.");
    return legateHome(context.client, context.session().endpoint);
  }
  // Loaded where it is asked for: most commands never do.
  const { IdentityClient } = await import("@legate/sdk/alibaba");
  const { alibabaHome } = await import("./alibaba-home.ts");
  const { endpoint, timeoutMs } = context.globals;
  return alibabaHome(new IdentityClient({ region, endpoint, ramEndpoint, stsEndpoint, timeoutMs, clock: context.world.clock }));
};
