import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import fastify from "fastify";

/**
 * The ceiling: a bare Fastify route that reads a small JSON body and signs one ES256 JWT, and does nothing else. What Legate adds to this is
 * proof, standing, storage and audit.
 */
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const app = fastify();

app.post("/sign", () => {
  const iat = Math.floor(Date.now() / 1000);
  const text = `${encode({ alg: "ES256", typ: "JWT", kid: "bench" })}.${encode({
    iss: "http://127.0.0.1",
    aud: "http://127.0.0.1/vault",
    sub: "agt_00000000000000000000000000000000",
    iat,
    exp: iat + 1800,
    jti: randomBytes(16).toString("base64url"),
  })}`;
  const signature = sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url");
  return { token: `${text}.${signature}`, expiresIn: 1800 };
});

process.stdout.write(`${await app.listen({ port: 0, host: "127.0.0.1" })}\n`);
process.on("SIGTERM", () => void app.close());
