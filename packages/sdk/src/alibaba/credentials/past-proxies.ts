import { BlockList, isIP } from "node:net";

const near = new BlockList();
near.addSubnet("127.0.0.0", 8);
near.addSubnet("169.254.0.0", 16);
near.addAddress("100.100.100.200");
near.addAddress("::1", "ipv6");
near.addSubnet("fe80::", 10, "ipv6");

/** Whether keys from there must not pass a proxy: it knows no way to this machine, and what is not encrypted it would read. */
export const isPastProxies = ({ protocol, hostname }: URL): boolean => {
  if (protocol === "http:") return true;
  const host = hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  const family = isIP(host);
  return family === 0 ? /(^|\.)localhost$/.test(host) : near.check(host, family === 6 ? "ipv6" : "ipv4");
};
