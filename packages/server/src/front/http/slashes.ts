/**
 * Takes slashes that come twice, and one at the end, out of a path below one of these prefixes, for wires whose clients put addresses together as
 * texts. What comes after `?` stays as it is.
 */
export const singleSlashes = (prefixes: readonly string[]): ((url: string) => string) => {
  const lenient = prefixes.map((prefix) => new RegExp(`^/+${prefix.slice(1)}/`));
  return (url) => {
    if (!lenient.some((below) => below.test(url))) return url;
    const [path = "", ...query] = url.split("?");
    return [path.replaceAll(/\/{2,}/g, "/").replace(/\/$/, ""), ...query].join("?");
  };
};
