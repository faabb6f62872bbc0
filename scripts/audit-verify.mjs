// npm run audit:verify -- FILE [--keys FILE] [--since FILE] [--json]
//
// Checks an export of the audit by itself: it needs neither the server nor the network, and reads the file once, whatever its size. It uses nothing
// but Node, so that this one file can be taken elsewhere. docs/guides/audit.md describes the format byte by byte.
import { createHash, createPublicKey, verify as verifySignature } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";

const checkpointTyp = "legate-audit-checkpoint+jwt";
const beforeAll = "0".repeat(64);
/** A longer line is not of ours. */
const longestLine = 64 * 1024 * 1024;
/** How many problems are told; the rest is only counted. */
const mostFaults = 100;

const sha256 = (data) => createHash("sha256").update(data).digest("hex");

/** RFC 8785: what was parsed from JSON has one form only. */
const canonical = (value) => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const names = Object.keys(value).sort((a, b) => (a < b ? -1 : 1));
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
};

const isHash = (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
const isWhole = (value) => Number.isSafeInteger(value) && value >= 0;

/** RFC 7638 */
const thumbprintOf = ({ crv, kty, x, y }) => createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");

/** Only a newline ends a line: JSON may hold every other character that is taken for one. */
async function* linesOf(chunks) {
  let rest = [];
  let length = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      yield { bytes: Buffer.concat([...rest, chunk.subarray(from, at)]), whole: true };
      rest = [];
      length = 0;
      from = at + 1;
    }
    rest.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > longestLine) throw new Error(`a line is longer than ${longestLine} bytes: this is no export of an audit`);
  }
  if (length > 0) yield { bytes: Buffer.concat(rest), whole: false };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The object a line is, with its text; undefined where it is none. */
const parse = (bytes) => {
  try {
    const text = utf8.decode(bytes);
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { value, text } : undefined;
  } catch {
    return undefined;
  }
};

/** The keys of a JWK set. */
export const importKeys = (jwks) =>
  (Array.isArray(jwks) ? jwks : Array.isArray(jwks?.keys) ? jwks.keys : [jwks]).flatMap((jwk) => {
    try {
      if (jwk.kty !== "EC" || jwk.crv !== "P-256") return [];
      const key = createPublicKey({ key: { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y }, format: "jwk" });
      return [{ kid: jwk.kid, key, thumbprint: thumbprintOf(jwk), revokedAt: jwk.revokedAt }];
    } catch {
      return [];
    }
  });

/** What a compact JWS claims and which of the keys signed it; `fault` says what is wrong with it. */
const readToken = (token, keys) => {
  const parts = typeof token === "string" ? token.split(".") : [];
  const [head, body, signature] = parts;
  const decode = (part) => parse(Buffer.from(part, "base64url"))?.value;
  if (parts.length !== 3) return { fault: "is no signed checkpoint" };
  const header = decode(head);
  const claims = decode(body);
  if (!header || !claims || header.typ !== checkpointTyp || header.alg !== "ES256") return { fault: "is no signed checkpoint" };
  const { iss, iat, block, hash, events } = claims;
  if (typeof iss !== "string" || !isWhole(iat) || !isWhole(block) || !isHash(hash) || !isWhole(events))
    return { fault: "does not claim what a checkpoint claims" };
  const key = keys.find(({ kid }) => kid === header.kid);
  if (!key) return { claims, fault: `is signed by an unknown key (${String(header.kid)})` };
  const bytes = Buffer.from(signature, "base64url");
  // Some last characters decode to the same bytes: only one of them is ours.
  const isOurs =
    bytes.toString("base64url") === signature &&
    verifySignature("sha256", Buffer.from(`${head}.${body}`), { key: key.key, dsaEncoding: "ieee-p1363" }, bytes);
  return isOurs ? { claims, key } : { claims, fault: "has a signature that does not hold" };
};

/**
 * Checks an export.
 * @param chunks The file's bytes, as they come.
 * @param options `keys`: the keys you trust; without them those in the file are taken. `since`: `{ block, hash }` of an earlier export or checkpoint.
 * @returns What was found. `faults` is empty exactly where the file is what Legate exported.
 */
export const verifyExport = async (chunks, { keys: trusted, since } = {}) => {
  const report = {
    ok: false,
    tenant: undefined,
    issuer: undefined,
    exportedAt: undefined,
    events: 0,
    blocks: 0,
    firstBlock: undefined,
    lastBlock: undefined,
    firstAt: undefined,
    lastAt: undefined,
    checkpoints: 0,
    unsealed: 0,
    cut: undefined,
    signedBy: undefined,
    since: since && { block: since.block, linked: since.block === 0 },
    keys: [],
    faults: [],
    moreFaults: 0,
    warnings: [],
  };
  const running = createHash("sha256");
  let keys = [];
  let header;
  let current;
  let last;
  let ended = false;
  let lineNumber = 0;
  /** Events up to the last block, from the first block there ever was; unknown where the file begins later. */
  let total = 0;
  const pending = [];
  const cutBlocks = { count: 0, last: 0, lastAt: undefined };
  let cutProof;

  const fault = (what, about = {}) => {
    if (report.faults.length < mostFaults) report.faults.push({ line: lineNumber, ...about, what });
    else report.moreFaults += 1;
  };

  /** Compares what a block says it holds with the event lines that followed it. */
  const finishBlock = () => {
    if (!current?.expected) return;
    const { number, expected, found, junk } = current;
    const inBlock = { block: number };
    const hashes = new Map(expected);
    const seen = new Set();
    for (const { id, hash, line } of found) {
      const about = { ...inBlock, event: id, line };
      if (!hashes.has(id)) fault("was inserted: the block does not hold it", about);
      else if (seen.has(id)) fault("is there twice", about);
      else {
        if (hashes.get(id) !== hash) fault("was edited: its line has another hash than the block holds", about);
        seen.add(id);
      }
    }
    for (const line of junk) fault("a line within the block is not one of an export", { ...inBlock, line });
    for (const [id] of expected) if (!seen.has(id)) fault("is missing", { ...inBlock, event: id });
    const order = [...seen];
    const moved = expected.filter(([id]) => seen.has(id)).find(([id], at) => order[at] !== id);
    if (moved) fault("is not in its place: events were reordered", { ...inBlock, event: moved[0] });
    const [first, end] = [found[0], found.at(-1)];
    if (
      first &&
      end &&
      first.id === expected[0]?.[0] &&
      end.id === expected.at(-1)?.[0] &&
      (first.at !== current.firstAt || end.at !== current.lastAt)
    )
      fault("says other times than its events", inBlock);
    report.events += found.length;
  };

  /** Compares a checkpoint with the block that it is over. */
  const compare = ({ claims, line }) => {
    if (claims.hash !== last.hash)
      fault(`a checkpoint signed ${new Date(claims.iat * 1000).toISOString()} says that block ${claims.block} was another`, {
        line,
        block: claims.block,
      });
    if (total !== undefined && claims.events !== total)
      fault(`a checkpoint counts ${claims.events} events up to block ${claims.block}, and there are ${total}`, {
        line,
        block: claims.block,
      });
  };

  const onHeader = ({ version, tenant, issuer, exportedAt, keys: jwks }) => {
    if (version !== 1) fault(`the export is of version ${version}; this program knows 1`);
    header = { tenant, issuer };
    Object.assign(report, { tenant, issuer, exportedAt });
    onKeys({ keys: jwks });
  };

  /** The header brings every key there ever was; a line before the end, those that were made or revoked while the export ran. */
  const onKeys = ({ keys: jwks }) => {
    keys = importKeys(jwks ?? []);
    report.keys = keys.map(({ kid, thumbprint, revokedAt }) => ({
      kid,
      thumbprint,
      ...(trusted && { trusted: trusted.some((key) => key.thumbprint === thumbprint) }),
      ...(revokedAt !== undefined && { revokedAt }),
    }));
  };

  const onBlock = (block) => {
    const { number, previous, count, firstAt, lastAt, sealedAt, root, hash, events, tenant, version } = block;
    const about = { block: number };
    if (!isWhole(number) || number === 0) return fault("a block has no number");
    if (last && number !== last.number + 1)
      fault(number > last.number ? `${number - last.number - 1} block(s) before it are missing` : "is not in its place", about);
    else if (last && previous !== last.hash) fault("does not follow from the block before: one of the two was changed", about);
    if (!last) {
      report.firstBlock = number;
      if (number === 1 && previous !== beforeAll) fault("does not begin the chain", about);
      if (number > 1) total = undefined;
      if (since && since.block >= 1 && since.block < number)
        fault(`the export begins after block ${since.block}, which it should follow: export from an earlier moment`, about);
    }
    const isList =
      Array.isArray(events) &&
      events.every((each) => Array.isArray(each) && each.length === 2 && typeof each[0] === "string" && typeof each[1] === "string");
    if (
      events !== undefined &&
      (!isList || count !== events.length || root !== sha256(events.map(([, eventHash]) => `${eventHash}\n`).join("")))
    )
      fault("was changed: the hash over its events does not hold", about);
    const text = ["legate-audit-block/1", tenant, number, previous, sealedAt, count, firstAt, lastAt, root, ""].join("\n");
    if (version !== 1 || tenant !== header.tenant || sha256(text) !== hash) fault("was changed: its hash does not hold", about);
    last = { number, hash };
    report.blocks += 1;
    report.lastBlock = number;
    report.firstAt ??= events && firstAt;
    if (events) report.lastAt = lastAt;
    if (total !== undefined) total += isWhole(count) ? count : 0;
    if (!events) Object.assign(cutBlocks, { count: cutBlocks.count + count, last: number, lastAt });
    if (since?.block === number) {
      report.since.linked = since.hash === hash;
      if (since.hash !== hash) fault("is not what it was in the earlier export: the chain was written anew", about);
    }
    current = { number, firstAt, lastAt, expected: isList ? events : undefined, found: [], junk: [] };
    for (const checkpoint of pending.filter(({ claims }) => claims.block === number)) compare(checkpoint);
  };

  const onCheckpoint = ({ token }) => {
    report.checkpoints += 1;
    const { claims, key, fault: wrong } = readToken(token, keys);
    if (wrong) return fault(`a checkpoint${claims ? ` over block ${claims.block}` : ""} ${wrong}`, claims && { block: claims.block });
    if (claims.iss !== header.issuer) return fault(`a checkpoint is of another issuer, ${claims.iss}`);
    if (key.revokedAt !== undefined)
      report.warnings.push(
        `the checkpoint over block ${claims.block} is signed by key ${key.thumbprint}, revoked ${key.revokedAt}: alone it proves nothing`,
      );
    if (claims.cut === true && (cutProof === undefined || claims.block >= cutProof.claims.block)) cutProof = { claims, key };
    if (claims.block > (last?.number ?? 0)) pending.push({ claims, line: lineNumber });
    else if (claims.block === last?.number) compare({ claims, line: lineNumber });
    else fault(`a checkpoint over block ${claims.block} is not in its place`);
  };

  const onEnd = ({ token }, soFar) => {
    ended = true;
    const { claims, key, fault: wrong } = readToken(token, keys);
    if (wrong) return fault(`the signature over the export ${wrong}`);
    report.signedBy = key.thumbprint;
    if (claims.iss !== header.issuer) fault(`the signature over the export is of another issuer, ${claims.iss}`);
    if (key.revokedAt !== undefined) fault(`the export is signed by key ${key.thumbprint}, revoked ${key.revokedAt}`);
    if (trusted && !trusted.some(({ thumbprint }) => thumbprint === key.thumbprint))
      fault(`the export is signed by key ${key.thumbprint}, which is not among those you trust`);
    if (claims.export?.sha256 !== soFar) fault("the export is not, byte for byte, what was signed");
    if (claims.export?.blocks !== report.blocks || claims.export?.unsealed !== report.unsealed)
      fault("the export was signed with another number of blocks or of events not yet sealed");
    if (last && claims.block !== last.number)
      fault(`the export was signed up to block ${claims.block}, and ends with block ${last.number}`);
    else if (last) compare({ claims, line: lineNumber });
  };

  for await (const { bytes, whole } of linesOf(chunks)) {
    lineNumber += 1;
    const line = parse(bytes);
    const type = line?.value.type;
    const soFar = type === "end" ? running.copy().digest("hex") : undefined;
    running.update(bytes).update("\n");
    if (ended) fault("a line after the end of the export");
    else if (!whole && type !== "end") fault("the line is cut short");
    else if (lineNumber === 1 && type !== "header") {
      fault("this is no export of an audit: it does not begin with a header");
      break;
    } else if (type === "event" && current?.expected) {
      if (line.value.tenant !== header.tenant) fault("is of another tenant", { block: current.number, event: line.value.id });
      current.found.push({ id: String(line.value.id), at: line.value.at, hash: sha256(bytes), line: lineNumber });
    } else if (lineNumber > 1 && (!line || canonical(line.value) !== line.text)) {
      if (current?.expected) current.junk.push(lineNumber);
      else fault("the line is not one of an export");
    } else {
      finishBlock();
      current = undefined;
      if (lineNumber === 1) {
        if (canonical(line.value) !== line.text) fault("the line is not one of an export");
        onHeader(line.value);
      } else if (type === "block") onBlock(line.value);
      else if (type === "checkpoint") onCheckpoint(line.value);
      else if (type === "keys") onKeys(line.value);
      else if (type === "unsealed") report.unsealed += 1;
      else if (type === "end") onEnd(line.value, soFar);
      else fault("the line is not one of an export");
    }
  }
  finishBlock();
  if (lineNumber === 0) fault("this is no export of an audit: it is empty");
  if (header && !ended) fault("the export is cut short: its last line is missing");
  for (const { claims, line } of pending)
    if (claims.block > (last?.number ?? 0))
      fault(`a checkpoint over block ${claims.block} was signed, and the block is not there`, { line, block: claims.block });
  if (cutBlocks.last > 0) {
    if (!cutProof || cutProof.claims.block < cutBlocks.last)
      fault("the block has no events, and no checkpoint says that they were cut", { block: cutBlocks.last });
    else if (cutProof.key.revokedAt !== undefined) fault("its events were cut, which only a revoked key says", { block: cutBlocks.last });
    else
      report.cut = {
        events: cutProof.claims.block === cutBlocks.last ? cutProof.claims.events : cutBlocks.count,
        before: cutBlocks.lastAt,
        block: cutProof.claims.block,
        signedAt: new Date(cutProof.claims.iat * 1000).toISOString(),
        signedBy: cutProof.key.thumbprint,
      };
  }
  if (since && since.block > (last?.number ?? 0)) fault(`the export ends before block ${since.block}, which it should hold`);
  report.ok = report.faults.length === 0;
  return report;
};

/** Where the chain stood at an earlier export, or at a checkpoint that somebody kept. @throws Error where that cannot be told */
export const standingOf = async (chunks, keys) => {
  let headerKeys = [];
  let token;
  for await (const { bytes } of linesOf(chunks)) {
    const line = parse(bytes)?.value;
    if (line?.type === "header" || line?.type === "keys") headerKeys = importKeys(line.keys ?? []);
    if (line?.type === "end" || line?.type === "checkpoint") token = line.token;
    if (!line && bytes.includes(46)) token = bytes.toString("latin1").trim();
  }
  const { claims, fault } = readToken(token, [...(keys ?? []), ...headerKeys]);
  // A bare checkpoint brings no key of its own: the one who kept it vouches for it.
  if (!claims || (fault && (headerKeys.length > 0 || keys))) throw new Error(`what --since names ${fault}`);
  return { block: claims.block, hash: claims.hash };
};

const sentence = ({ line, block, event, what }) =>
  [block !== undefined ? `block ${block}` : `line ${line}`, ...(event === undefined ? [] : [`event ${event}`])].join(", ") +
  `: ${what}${block !== undefined ? ` (line ${line})` : ""}`;

/** The report in words. */
const tell = (report, trusted) => {
  const { events, blocks, firstBlock, lastBlock, firstAt, lastAt, checkpoints, unsealed, cut, since } = report;
  const lines = [
    `Tenant ${report.tenant} of ${report.issuer}, exported ${report.exportedAt}`,
    `Events: ${events} in ${blocks} blocks${blocks > 0 ? ` (${firstBlock} to ${lastBlock})` : ""}${firstAt === undefined ? "" : `, from ${firstAt} to ${lastAt}`}`,
    `Not yet sealed: ${unsealed}${unsealed > 0 ? " (only the signature over this export covers them)" : ""}`,
    `Checkpoints: ${checkpoints}`,
    ...(cut
      ? [
          `Events up to ${cut.before} (${cut.events}) were cut by retention, proven by the checkpoint over block ${cut.block}, signed ${cut.signedAt} by ${cut.signedBy}`,
        ]
      : []),
    ...(firstBlock > 1 ? [`The export begins at block ${firstBlock}: it says nothing of what was before`] : []),
    ...(since?.linked ? [`It follows what was known before, up to block ${since.block}`] : []),
    ...(report.signedBy === undefined
      ? []
      : [`Signed by key ${report.signedBy}${trusted ? "" : ", which stands in the file itself: compare it with one you trust (--keys)"}`]),
    ...report.keys.map(
      ({ thumbprint, revokedAt, trusted: isTrusted }) =>
        `Key ${thumbprint}${isTrusted ? ", trusted" : ""}${revokedAt === undefined ? "" : `, revoked ${revokedAt}`}`,
    ),
    ...report.warnings.map((warning) => `Warning: ${warning}`),
    ...report.faults.map((each) => `WRONG: ${sentence(each)}`),
    ...(report.moreFaults > 0 ? [`WRONG: ${report.moreFaults} more`] : []),
    report.ok ? "OK: this is what Legate exported, and no event was changed since it was sealed." : "NOT OK: do not rely on this file.",
  ];
  return lines.join("\n");
};

const main = async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { keys: { type: "string" }, since: { type: "string" }, json: { type: "boolean", default: false } },
  });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1)
    throw new Error("usage: npm run audit:verify -- FILE [--keys FILE] [--since FILE] [--json]");
  const keys = values.keys === undefined ? undefined : importKeys(JSON.parse(readFileSync(values.keys, "utf8")));
  if (keys?.length === 0) throw new Error(`${values.keys} holds no public key of P-256`);
  const since = values.since === undefined ? undefined : await standingOf(createReadStream(values.since), keys);
  const report = await verifyExport(createReadStream(file), { keys, since });
  console.log(values.json ? JSON.stringify(report, null, 2) : tell(report, keys !== undefined));
  process.exitCode = report.ok ? 0 : 1;
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main().catch((error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  });
}
