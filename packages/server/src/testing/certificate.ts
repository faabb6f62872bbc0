import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIPv4 } from "node:net";

/** ITU-T X.690: tag, length, content. */
const der = (tag: number, ...parts: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};
const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, ...parts);
const objectId = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"));
const text = (tag: number, value: string): Buffer => der(tag, Buffer.from(value, "latin1"));

const ecdsaWithSha256 = sequence(objectId("2a8648ce3d040302"));
const commonName = "550403";
const subjectAltName = "551d11";

const named = (name: string): Buffer => sequence(der(0x31, sequence(objectId(commonName), text(0x0c, name))));
const moment = (at: number): Buffer => text(0x18, `${new Date(at).toISOString().slice(0, 19).replaceAll(/[-:T]/g, "")}Z`);
/** RFC 5280 4.2.1.6: an address as its four bytes, anything else as a DNS name. */
const alternative = (host: string): Buffer => (isIPv4(host) ? der(0x87, Buffer.from(host.split(".").map(Number))) : text(0x82, host));

const pem = (label: string, bytes: Buffer): string =>
  `-----BEGIN ${label}-----\n${bytes.toString("base64").replaceAll(/.{64}/g, "$&\n").trimEnd()}\n-----END ${label}-----\n`;

/**
 * A certificate that vouches for itself (RFC 5280), for a server that a test starts: whoever trusts it as an authority believes it for these hosts.
 * @param hosts DNS names and IPv4 addresses.
 */
export const selfSigned = (...hosts: readonly string[]): { readonly cert: string; readonly key: string } => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = named(`legate test ${randomBytes(4).toString("hex")}`);
  const day = 24 * 60 * 60_000;
  const extension = sequence(objectId(subjectAltName), der(0x04, sequence(...hosts.map(alternative))));
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    name,
    sequence(moment(Date.now() - day), moment(Date.now() + day)),
    name,
    publicKey.export({ format: "der", type: "spki" }),
    der(0xa3, sequence(extension)),
  );
  const signature = sign("sha256", toBeSigned, privateKey);
  const whole = sequence(toBeSigned, ecdsaWithSha256, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  return { cert: pem("CERTIFICATE", whole), key: privateKey.export({ format: "pem", type: "pkcs8" }).toString() };
};
