/** The 16-bit groups of an IPv6 address, as many as are asked for. */
const groupsOf = (address: string, count: number): string => {
  const [bare = ""] = address.split("%", 1);
  const [head = "", tail] = bare.split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const after = tail === "" ? [] : tail.split(":");
    // What is written as dotted IPv4 at the end stands for two groups.
    const written = groups.length + after.length + (tail.includes(".") ? 1 : 0);
    for (let missing = 8 - written; missing > 0; missing -= 1) groups.push("0");
    groups.push(...after);
  }
  return groups
    .slice(0, count)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
};

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

const remembered = 4_096;
let keys = new Map<string, string>();

/**
 * Who counts as one caller among addresses: an IPv4 address by itself, an IPv6 address with its whole /64, which is the least that one subscriber
 * has to choose from.
 */
export const addressKey = (address: string): string => {
  if (!address.includes(":")) return address;
  const known = keys.get(address);
  if (known !== undefined) return known;
  const key = mapped.exec(address)?.[1] ?? `${groupsOf(address, 4)}::/64`;
  if (keys.size >= remembered) keys = new Map();
  keys.set(address, key);
  return key;
};

/** The wider network of an {@link addressKey}: the /16 of IPv4, the /48 of IPv6. */
export const neighbourhoodOf = (key: string): string => (key.includes(":") ? key.split(":", 3).join(":") : key.split(".", 2).join("."));
