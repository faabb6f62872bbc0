// npm leaves other platforms' optional packages out of the lock file where the registry it asked lacks them, and `npm ci` on such a
// platform then refuses. Run this after every `npm install`: it adds the missing entries, and npm keeps them from then on.
import { readFileSync, writeFileSync } from "node:fs";

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
const os = /\W(darwin|linux|win32|freebsd|android|openharmony|sunos|openbsd|netbsd|aix)/;
const cpu = /\W(x64|arm64|ia32|arm|ppc64|riscv64|s390x|loong64|mips64el|wasm32)/;
let added = 0;
for (const [from, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const exact = /^\d+\.\d+\.\d+$/.test(version);
    const root = lock.packages[`node_modules/${name}`];
    if (lock.packages[`${from}/node_modules/${name}`] || (root && (!exact || root.version === version))) continue;
    const platform = [os.exec(name)?.[1], cpu.exec(name)?.[1]];
    if (!exact || platform.includes(undefined)) throw new Error(`${from}: which platform is ${name}@${version}?`);
    const libc = /musl/.test(name) ? { libc: ["musl"] } : /gnu/.test(name) ? { libc: ["glibc"] } : {};
    const place = root ? `${from}/node_modules/${name}` : `node_modules/${name}`;
    lock.packages[place] = { version, cpu: [platform[1]], ...(entry.dev && { dev: true }), ...libc, optional: true, os: [platform[0]] };
    added += 1;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en")));
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${added} platform packages added`);
