import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * A provider in a process of its own: `/brief/token` gives everybody a token for three seconds, with a new refresh token where one was brought.
 * Anything else it refuses, so that a read of what should be in the store fails where it is not.
 */
const server = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8").on("data", (text: string) => {
    body += text;
  });
  request.on("end", () => {
    if (request.url !== "/brief/token") {
      response.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_request"}');
      return;
    }
    const answer = {
      access_token: randomBytes(24).toString("hex"),
      token_type: "Bearer",
      expires_in: 3,
      ...(body.includes("refresh_token") && { refresh_token: randomBytes(24).toString("hex") }),
    };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`));
process.on("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
});
