import { operations } from "@legate/contract";
import { z } from "zod";
import type { Sessions } from "../../../access/vault/index.ts";
import { type Operation, operation } from "../operation.ts";
import { json, text } from "../params.ts";
import { lasting, version } from "./version.ts";

export interface ConsentRooms {
  readonly sessions: Pick<Sessions, "complete">;
}

const { userId, userToken } = operations.completeAuthorization.body.shape;

const userIdentifier = z
  .strictObject({ UserId: userId, UserJWT: userToken })
  .refine(({ UserId, UserJWT }) => UserId !== undefined || UserJWT !== undefined, "must have UserId or UserJWT");

/** The end of a consent of binding `application`. */
export const completeResourceTokenAuth = ({ sessions }: ConsentRooms): Operation =>
  operation({
    version,
    action: "CompleteResourceTokenAuth",
    callers: lasting,
    params: z.strictObject({ SessionURI: text(512), UserIdentifier: json(userIdentifier) }),
    naming: { fields: { sessionUri: "SessionURI", userId: "UserIdentifier", userToken: "UserIdentifier" } },
    act: async ({ who, params: { SessionURI, UserIdentifier } }) => {
      const { UserId, UserJWT } = UserIdentifier;
      // The original sends both where it has both. What is proven counts, and not what is said beside it.
      const user = UserJWT === undefined ? { userId: UserId } : { userToken: UserJWT };
      await sessions.complete(who, { sessionUri: SessionURI, ...user });
      return {};
    },
  });
