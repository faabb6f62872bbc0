/** Owns policy sets, their Cedar policies, and the gateways they are attached to. */
export {};
