import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

/** A certificate of nobody's for `localhost`, which is its own authority, in two files of the folder. */
export const makeCertificate = (folder: string) => {
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  spawnSync("openssl", ["req", "-x509", ...curve, "-keyout", keyFile, "-out", certFile, "-days", "2", ...names]);
  return { key: readFileSync(keyFile), cert: readFileSync(certFile), certFile };
};
