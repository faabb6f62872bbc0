/** The ways a text may be written somewhere: as it is, in base64 at any alignment, percent-encoded, in hexadecimal, inside JSON. */
export const formsOf = (secret: string): readonly string[] => {
  const bytes = Buffer.from(secret, "utf8");
  const inBase64 = [0, 1, 2].map((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    // The first and last characters also hold bits of what stands beside.
    return whole.slice(shift === 0 ? 0 : shift + 1, (shift + bytes.length) % 3 === 0 ? undefined : -1);
  });
  const percent = encodeURIComponent(secret);
  return [
    ...new Set([
      secret,
      JSON.stringify(secret).slice(1, -1),
      percent,
      percent.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()),
      new URLSearchParams({ "": secret }).toString().slice(1),
      bytes.toString("hex"),
      ...inBase64,
      ...inBase64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
    ]),
  ];
};

/** Secrets that were let loose, by what each is. */
export const makeCanaries = () => {
  const known = new Map<string, string>();
  return {
    /** Watches a secret from now on, and answers it. */
    watch: (name: string, secret: string): string => {
      if (secret.length < 16) throw new Error(`${name} is too short to be told from anything else.`);
      known.set(secret, known.get(secret) ?? `${name} ${known.size + 1}`);
      // The claims of a token may be written down where its signature may not.
      const signature = /^eyJ[\w-]+\.[\w-]+\.([\w-]{40,})$/.exec(secret)?.[1];
      if (signature !== undefined) known.set(signature, `signature of ${name}`);
      return secret;
    },
    names: (): readonly string[] => [...known.values()],
    /** What stands in a text or file, in whatever form: the names, never the secrets. */
    foundIn: (where: string | Buffer): readonly string[] => {
      const bytes = typeof where === "string" ? Buffer.from(where, "utf8") : where;
      return [...known].flatMap(([secret, name]) => (formsOf(secret).some((form) => bytes.includes(form)) ? [name] : []));
    },
  };
};

export type Canaries = ReturnType<typeof makeCanaries>;
