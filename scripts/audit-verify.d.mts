/** What stands wrong, where. */
export interface Fault {
  readonly line: number;
  readonly block?: number;
  readonly event?: string;
  readonly what: string;
}

export interface Report {
  readonly ok: boolean;
  readonly tenant: string | undefined;
  readonly issuer: string | undefined;
  readonly events: number;
  readonly blocks: number;
  readonly firstBlock: number | undefined;
  readonly lastBlock: number | undefined;
  readonly checkpoints: number;
  readonly unsealed: number;
  readonly cut: { readonly events: number; readonly before: string; readonly block: number } | undefined;
  readonly signedBy: string | undefined;
  readonly since: { readonly block: number; readonly linked: boolean } | undefined;
  readonly keys: readonly { readonly kid: string; readonly thumbprint: string; readonly trusted?: boolean; readonly revokedAt?: string }[];
  readonly faults: readonly Fault[];
  readonly moreFaults: number;
  readonly warnings: readonly string[];
}

export interface Standing {
  readonly block: number;
  readonly hash: string;
}

type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
interface Key {
  readonly kid: string;
  readonly thumbprint: string;
}

export const importKeys: (jwks: unknown) => readonly Key[];
export const verifyExport: (
  chunks: Chunks,
  options?: { readonly keys?: readonly Key[] | undefined; readonly since?: Standing | undefined },
) => Promise<Report>;
export const standingOf: (chunks: Chunks, keys?: readonly Key[]) => Promise<Standing>;
