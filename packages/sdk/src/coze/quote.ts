/**
 * Python's `quote_plus`: letters, digits and `_.-~` stay, a space becomes `+`, every other byte of the UTF-8 is percent-encoded.
 *
 * @throws URIError for a text that is not well-formed
 */
export const quotePlus = (text: string): string =>
  encodeURIComponent(text)
    .replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
