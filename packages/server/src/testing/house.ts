import { openHouse } from "../compose.ts";
import type { StoreAddress } from "../ground/db/index.ts";
import type { Clock } from "../ground/kernel/index.ts";
import { testPublicUrl } from "./identity.ts";

/** The whole house but its front, on a fresh store, with loopback allowed and a clock of the test's. */
export const openTestHouse = (store: StoreAddress, guests: { readonly clock?: Clock } = {}, publicUrl = testPublicUrl) =>
  openHouse(
    { store, masterKey: Buffer.alloc(32, 7), publicUrl, secureCookies: false, egressAllow: ["127.0.0.0/8", "::1"], adminKey: testAdminKey },
    guests,
  );

export const testAdminKey = "op_test_admin_key_0123456789abcdef";
