/** The parameter that holds a workload access token: what is wrong with it is said as what is wrong with a credential. */
export const workloadAccessToken = "WorkloadAccessToken";

/** The parameters that are a secret or hold one: what stands in a URL ends in the logs of whatever passes it on. */
export const secretParameters: ReadonlySet<string> = new Set([
  workloadAccessToken,
  "UserToken",
  "UserIdentifier",
  "APIKey",
  "OAuth2ProviderConfig",
]);

/** The parameters that belong to no action, and may stand in the query of each (wire: the legacy RPC path). */
export const commonParameters: ReadonlySet<string> = new Set(["Action", "Version", "Format", "Timestamp", "SignatureNonce"]);
