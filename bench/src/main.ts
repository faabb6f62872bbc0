import { alibaba } from "./alibaba.ts";
import { compare } from "./compare.ts";
import { large } from "./large.ts";
import { oauth } from "./oauth.ts";
import { readOptions } from "./options.ts";
import { profile } from "./profile.ts";
import { soak } from "./soak.ts";

const programs = { compare, large, soak, profile, oauth, alibaba } as const;

try {
  const options = readOptions(process.argv.slice(2), process.env);
  await programs[options.what](options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
