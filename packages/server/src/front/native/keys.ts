import { type dataKey as dataKeyWire, operations, type pepper as pepperWire, type signingKey as signingKeyWire } from "@legate/contract";
import type { z } from "zod";
import type { DataKeyRotation, MasterKey, Peppers, ShownDataKey, ShownPepper } from "../../ground/seal/index.ts";
import type { PublicSigningKey, Signing } from "../../identity/signing/index.ts";
import { moment, momentOrNone, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

interface Rooms {
  readonly signing: Pick<Signing, "list" | "rotate" | "revoke">;
  readonly dataKeys: Pick<DataKeyRotation, "list" | "rotate">;
  readonly masterKey: Pick<MasterKey, "state">;
  readonly peppers: Pick<Peppers, "list" | "rotate">;
}

const encodeSigningKey = (key: PublicSigningKey): z.input<typeof signingKeyWire> => ({
  id: key.id,
  alg: key.alg,
  status: key.status,
  createdAt: moment(key.createdAt),
  signsFrom: moment(key.signsFrom),
  expiresAt: momentOrNone(key.expiresAt),
  revokedAt: momentOrNone(key.revokedAt),
});

const encodeDataKey = ({ id, seals, createdAt, left, unneededSince }: ShownDataKey): z.input<typeof dataKeyWire> => ({
  id,
  seals,
  createdAt: moment(createdAt),
  left: left && { ...left },
  unneededSince: momentOrNone(unneededSince),
});

const encodePepper = ({ id, hashes, createdAt, keys, unneededSince }: ShownPepper): z.input<typeof pepperWire> => ({
  id,
  hashes,
  createdAt: moment(createdAt),
  keys: { ...keys },
  unneededSince: momentOrNone(unneededSince),
});

export const serveKeys = (serve: Serve, { signing, dataKeys, masterKey, peppers }: Rooms): void => {
  serve(operations.listSigningKeys, async ({ who, query }) => pageOf(await signing.list(who.tenant, query), encodeSigningKey));
  serve(operations.rotateSigningKey, async ({ who }) => encodeSigningKey(await signing.rotate(who)));
  serve(operations.revokeSigningKey, async ({ who, params }) => encodeSigningKey(await signing.revoke(who, params.id)));
  serve(operations.listDataKeys, async ({ who, query }) => pageOf(await dataKeys.list(who.tenant, query), encodeDataKey));
  serve(operations.rotateDataKey, async ({ who }) => encodeDataKey(await dataKeys.rotate(who)));
  serve(operations.getMasterKey, async () => {
    const { damaged, ...state } = await masterKey.state();
    return { ...state, damaged: [...damaged] };
  });
  serve(operations.listPeppers, async ({ query }) => pageOf(await peppers.list(query), encodePepper));
  serve(operations.rotatePepper, async ({ who }) => encodePepper(await peppers.rotate(who)));
};
