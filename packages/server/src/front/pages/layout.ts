import { type Html, html } from "./html.ts";
import { style } from "./style.ts";

/** One page: a heading, and what it says. `mood` colours its edge. */
export const page = (title: string, mood: "plain" | "good" | "bad", heading: Html, body: Html): string =>
  html`<!doctype html>
<html lang="en" class="${mood}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
${style}
</head>
<body>
<main>
<h1>${heading}</h1>
${body}
</main>
</body>
</html>
`.text;
