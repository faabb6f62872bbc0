import { expect, test } from "vitest";
import { addressKey, neighbourhoodOf } from "./address-key.ts";

test.each([
  ["192.0.2.7", "192.0.2.7", "192.0"],
  ["::ffff:192.0.2.7", "192.0.2.7", "192.0"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1"],
  ["2001:0DB8:0001:0002::1", "2001:db8:1:2::/64", "2001:db8:1"],
  ["2001:db8::1", "2001:db8:0:0::/64", "2001:db8:0"],
  ["2001:db8:1::", "2001:db8:1:0::/64", "2001:db8:1"],
  ["::1", "0:0:0:0::/64", "0:0:0"],
  ["::", "0:0:0:0::/64", "0:0:0"],
  ["fe80::1%eth0", "fe80:0:0:0::/64", "fe80:0:0"],
  ["64:ff9b::192.0.2.7", "64:ff9b:0:0::/64", "64:ff9b:0"],
])("%s is counted as %s, among %s", (address, key, neighbourhood) => {
  expect([addressKey(address), neighbourhoodOf(addressKey(address))]).toEqual([key, neighbourhood]);
});
