/** The parameter that holds a workload access token: what is wrong with it is said as what is wrong with a credential. */
export const workloadAccessToken = "WorkloadAccessToken";

/** The parameters that belong to no action, and may stand in the query of each (wire: the legacy RPC path). */
export const commonParameters: ReadonlySet<string> = new Set(["Action", "Version", "Format", "Timestamp", "SignatureNonce"]);
