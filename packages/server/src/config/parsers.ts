import { BlockList, isIP } from "node:net";
import { Unfit } from "./setting.ts";

/** @throws Unfit */
export const port = (text: string): number => {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number <= 65_535)) throw new Unfit("be a whole number from 0 to 65535 (0 takes any free port)");
  return number;
};

const hostName = /^(?=.{1,253}$)(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*$/i;

/** A host name or an IP address without brackets. @throws Unfit */
export const host = (text: string): string => {
  const bare = text.replace(/^\[(.*)\]$/, "$1");
  // A name whose last label is a number would be read as an IPv4 address by URL (WHATWG URL 3.5).
  if (isIP(bare) === 0 && (!hostName.test(bare) || /(^|\.)(\d+|0x[0-9a-f]*)$/i.test(bare))) {
    throw new Unfit("be a host name or an IP address, without scheme, port or path");
  }
  return bare.toLowerCase();
};

const loopbackAddresses = new BlockList();
loopbackAddresses.addSubnet("127.0.0.0", 8, "ipv4");
loopbackAddresses.addAddress("::1", "ipv6");

/** Whether a host, as {@link host} or a URL gives it, is this machine alone. RFC 6761 6.3: `localhost` and names below it are loopback. */
export const isLoopback = (hostname: string): boolean => {
  const bare = hostname.replace(/^\[(.*)\]$/, "$1");
  const family = isIP(bare);
  if (family !== 0) return loopbackAddresses.check(bare, family === 6 ? "ipv6" : "ipv4");
  return /(^|\.)localhost\.?$/i.test(bare);
};

/** An http or https origin: scheme, host and port, nothing else. @throws Unfit */
export const origin = (text: string): string => {
  if (!URL.canParse(text)) throw new Unfit("be an absolute http or https URL");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new Unfit("be an absolute http or https URL");
  if (url.username !== "" || url.password !== "") throw new Unfit("carry no user name or password");
  if (text.includes("?") || text.includes("#")) throw new Unfit("carry no query and no fragment");
  if (url.pathname !== "/" || text.endsWith("/")) throw new Unfit("have no path, and no slash at its end");
  return url.origin;
};

/** An http or https address where something listens; a path is welcome. @throws Unfit */
export const endpoint = (text: string): string => {
  if (!URL.canParse(text)) throw new Unfit("be an absolute http or https URL");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new Unfit("be an absolute http or https URL");
  if (url.username !== "" || url.password !== "" || text.includes("#")) throw new Unfit("carry no user name, password or fragment");
  return text.replace(/\/+$/, "");
};

/** @throws Unfit */
export const databaseUrl = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^postgres(ql)?:$/.test(url.protocol)) throw new Unfit("begin postgres:// (leave it out for the embedded store)");
  if (url.hostname === "" && !url.searchParams.has("host")) throw new Unfit("name a host");
  if (url.pathname.length < 2) throw new Unfit("name a database, as in postgres://user:password@host:5432/legate");
  return text;
};

/** Entries parted by commas or white space. */
const listOf =
  (entry: (text: string) => string) =>
  (text: string): readonly string[] => [
    ...new Set(
      text
        .split(/[\s,]+/)
        .filter(Boolean)
        .map(entry),
    ),
  ];

const isCidr = (text: string): boolean => {
  const [address = "", prefix, ...more] = text.split("/");
  const family = isIP(address);
  if (family === 0 || more.length > 0 || address.includes("%")) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32));
};

const named = (text: string): string => JSON.stringify(text.slice(0, 80));

/** @throws Unfit */
export const cidrs = listOf((text) => {
  if (!isCidr(text)) throw new Unfit(`list IP addresses and CIDRs only, and ${named(text)} is neither`);
  return text;
});

/** @throws Unfit */
export const cidrsAndHosts = listOf((text) => {
  if (isCidr(text)) return text;
  try {
    return host(text);
  } catch {
    throw new Unfit(`list CIDRs, IP addresses and host names only, and ${named(text)} is none of them`);
  }
});

/** @throws Unfit */
export const origins = listOf((text) => {
  if (text === "*") throw new Unfit("name each origin: * would let any web page read answers");
  try {
    return origin(text);
  } catch {
    throw new Unfit(`list origins such as https://app.example.com, and ${named(text)} is none`);
  }
});

/** Text that is not empty. @throws Unfit */
export const path = (text: string): string => {
  if (text.includes("\0")) throw new Unfit("be a path");
  return text;
};

/** @throws Unfit that says nothing of the text */
export const adminKey = (text: string): string => {
  if (!/^[\x21-\x7e]{32,256}$/.test(text)) throw new Unfit("be 32 to 256 printable ASCII characters without spaces");
  return text;
};

/** 32 bytes as hex, base64 or base64url. @throws Unfit that says nothing of the text */
export const masterKey = (text: string): Buffer => {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  const canonical = text.replaceAll("+", "-").replaceAll("/", "_").replace(/=$/, "");
  const key = Buffer.from(canonical, "base64url");
  // Only the canonical spelling: a mistyped last character would otherwise decode to some key.
  if (key.length !== 32 || key.toString("base64url") !== canonical) {
    throw new Unfit("be 32 bytes as base64 or hex: `openssl rand -base64 32` makes one");
  }
  return key;
};

/** What the default rate limits are multiplied by: `default` is 1. @throws Unfit */
export const rateLimits = (text: string): number | "off" => {
  if (text === "off") return "off";
  if (text === "default") return 1;
  const factor = /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(factor > 0)) throw new Unfit("be default, off, or a positive number that the default limits are multiplied by, such as 2 or 0.5");
  return factor;
};

/** @throws Unfit */
export const oneOf =
  <const T extends string>(...values: readonly T[]) =>
  (text: string): T => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new Unfit(`be one of ${values.join(", ")}`);
    return found;
  };

/** @throws Unfit */
export const days = (text: string): number => {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= 1 && number <= 36_500)) throw new Unfit("be a whole number of days from 1 to 36500");
  return number;
};

/** The name of a region, as ARNs have it. @throws Unfit */
export const region = (text: string): string => {
  if (!/^[a-z][a-z0-9-]{1,62}$/.test(text)) throw new Unfit("be a region's name, such as cn-beijing: 2 to 63 of a-z 0-9 -");
  return text;
};

/** @throws Unfit */
export const plainName = (text: string): string => {
  if (!/^[\x21-\x7e]{1,128}$/.test(text)) throw new Unfit("be 1 to 128 printable ASCII characters without spaces");
  return text;
};
