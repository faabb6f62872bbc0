import { expect } from "vitest";
import type { StoreAddress } from "../../../ground/db/index.ts";
import { answered, controlPlane, faultOf, openAlibaba, type Params, type TestKey } from "../alibaba-for-tests.ts";

/** The control plane behind its wire, asked with an admin's key. */
export const openControlPlane = async (store: StoreAddress) => {
  const wire = await openAlibaba(store);
  const key = await wire.adminKey();
  const { accountId } = await wire.house.tenants.get("default");
  const send = (action: string, params: Params = {}, by: TestKey = key) => wire.call(action, { version: controlPlane, key: by, params });
  return {
    ...wire,
    key,
    send,
    /** What ARNs begin with. */
    arns: `acs:agentidentity:cn-beijing:${accountId}:`,
    account: accountId,
    /** What was answered beside the request id; the whole answer where it is no success. */
    ask: async (action: string, params: Params = {}): Promise<Record<string, unknown>> => answered(await send(action, params)),
    /** Status and code of a refusal. */
    fault: async (action: string, params: Params = {}, by: TestKey = key): Promise<unknown> => faultOf(await send(action, params, by)),
    /** Every page of a list of at most `most` on each, and what each says of the whole. */
    pages: async (action: string, list: string, most: number, params: Params = {}): Promise<readonly (readonly unknown[])[]> => {
      const found: (readonly unknown[])[] = [];
      let NextToken: unknown;
      do {
        const answer = answered(await send(action, { ...params, MaxResults: String(most), ...(NextToken !== undefined && { NextToken }) }));
        const items = answer[list] as readonly unknown[];
        expect(answer).toEqual({
          MaxResults: most,
          TotalCount: expect.any(Number),
          [list]: items,
          ...("NextToken" in answer && { NextToken: expect.stringMatching(/^[A-Za-z0-9_-]+$/) }),
        });
        found.push(items);
        NextToken = answer["NextToken"];
      } while (NextToken !== undefined);
      return found;
    },
  };
};
export type OpenControlPlane = Awaited<ReturnType<typeof openControlPlane>>;

/** A moment as this wire writes it. */
export const aMoment: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
