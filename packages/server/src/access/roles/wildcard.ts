/** Whether a text is as a pattern says: `*` stands for any characters, none included, and `?` for one. Takes pattern times text at most. */
export const wildcard = (pattern: string, text: string): boolean => {
  let at = 0;
  let seen = 0;
  let star = -1;
  let starSeen = 0;
  while (seen < text.length) {
    const next = pattern.charAt(at);
    if (next === "*") {
      star = at;
      starSeen = seen;
      at += 1;
    } else if (at < pattern.length && (next === "?" || next === text.charAt(seen))) {
      at += 1;
      seen += 1;
    } else if (star >= 0) {
      // The star takes one character more, and the rest of the pattern is tried again.
      at = star + 1;
      starSeen += 1;
      seen = starSeen;
    } else return false;
  }
  while (pattern.charAt(at) === "*") at += 1;
  return at === pattern.length;
};
