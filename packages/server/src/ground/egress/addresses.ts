import { BlockList, isIP, isIPv4 } from "node:net";

/** An address without a zone id, as the rules below know it. */
interface Address {
  readonly text: string;
  readonly family: "ipv4" | "ipv6";
}

/** IANA's IPv4 special-purpose registry, multicast and the reserved block: nothing here is a public host. */
const closed4 = new BlockList();
for (const [net, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const)
  closed4.addSubnet(net, prefix, "ipv4");

/** RFC 4291 2.4: global unicast is 2000::/3; loopback, unique local, link local, site local, multicast and the rest lie outside it. */
const unicast6 = new BlockList();
unicast6.addSubnet("2000::", 3, "ipv6");

/** What IANA set apart within 2000::/3: protocol assignments (Teredo, ORCHID, benchmarking) and documentation. */
const closed6 = new BlockList();
for (const [net, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["3fff::", 20],
] as const)
  closed6.addSubnet(net, prefix, "ipv6");

/** The eight groups of an IPv6 address that parsed. */
const groups = (text: string): readonly number[] => {
  // WHATWG URL serialises every spelling, a dotted tail included, as hexadecimal groups with at most one gap.
  const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const parse = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const left = parse(head);
  if (tail === undefined) return left;
  const right = parse(tail);
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
};

const dotted = (high = 0, low = 0): string => [high >> 8, high & 255, low >> 8, low & 255].join(".");

/** Reads a literal address; brackets are tolerated. An IPv4-mapped one (::ffff:0:0/96) is the IPv4 address it means. */
export const addressOf = (given: string): Address | undefined => {
  const text = given.startsWith("[") && given.endsWith("]") ? given.slice(1, -1) : given;
  // A zone id names an interface of this host, so that no public address has one.
  if (isIP(text) === 0 || text.includes("%")) return undefined;
  if (isIPv4(text)) return { text, family: "ipv4" };
  const parts = groups(text);
  if (parts.slice(0, 5).every((part) => part === 0) && parts[5] === 0xffff) return { text: dotted(parts[6], parts[7]), family: "ipv4" };
  return { text, family: "ipv6" };
};

/** Whether an address belongs to the public internet. Translated ones (NAT64, 6to4) are as public as the IPv4 address inside. */
export const isPublic = ({ text, family }: Address): boolean => {
  if (family === "ipv4") return !closed4.check(text, "ipv4");
  const [first, second, ...rest] = groups(text);
  // RFC 6052 2.1: the well-known prefix 64:ff9b::/96; its neighbour 64:ff9b:1::/48 is for local use.
  if (first === 0x64 && second === 0xff9b && rest.slice(0, 4).every((part) => part === 0)) {
    return !closed4.check(dotted(rest[4], rest[5]), "ipv4");
  }
  // RFC 3056 2: 2002:V4ADDR::/48.
  if (first === 0x2002) return !closed4.check(dotted(second, rest[0]), "ipv4");
  return unicast6.check(text, "ipv6") && !closed6.check(text, "ipv6");
};

/** What the operator opened beyond public addresses. */
export interface Allowed {
  readonly name: (hostname: string) => boolean;
  readonly address: (address: Address) => boolean;
  /** Whether any address is open at all. */
  readonly anyAddress: boolean;
}

const hostName = /^(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*$/;

/** A name as it is compared: lower case, without the dot of the root. */
const bare = (hostname: string): string => hostname.toLowerCase().replace(/\.$/, "");

/** @throws TypeError for an entry that is no CIDR, address or host name */
export const allowedBy = (entries: readonly string[]): Allowed => {
  const names = new Set<string>();
  const open = { ipv4: new BlockList(), ipv6: new BlockList() };
  let anyAddress = false;
  for (const entry of entries) {
    const bad = () => new TypeError(`"${entry}" is not a CIDR, an IP address or a host name.`);
    const [head = "", length, ...more] = entry.trim().split("/");
    const address = addressOf(head);
    if (address) {
      const most = address.family === "ipv4" ? 32 : 128;
      // A mapped network would have to be counted from bit 96: it is written as the IPv4 one it is.
      if (length !== undefined && head.includes(":") !== (address.family === "ipv6")) throw bad();
      const prefix = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : -1;
      if (more.length > 0 || prefix < 0 || prefix > most) throw bad();
      open[address.family].addSubnet(address.text, prefix, address.family);
      anyAddress = true;
    } else {
      const name = bare(head);
      // A name whose last label is a number would be read as an IPv4 address by URL (WHATWG URL 3.5).
      if (length !== undefined || name.length > 253 || !hostName.test(name) || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(name)) throw bad();
      names.add(name);
    }
  }
  return {
    name: (hostname) => names.has(bare(hostname)),
    address: ({ text, family }) => open[family].check(text, family),
    anyAddress,
  };
};
