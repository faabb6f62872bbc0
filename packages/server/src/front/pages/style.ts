import { createHash } from "node:crypto";
import { Html } from "./html.ts";

const css = `
:root{color-scheme:light dark;--ground:#f4f5f7;--sheet:#fff;--ink:#1b1f27;--quiet:#555e6d;--line:#d5d9e0;--accent:#1f5fbf;--on-accent:#fff;--mark:#1f5fbf;--warn:#9a6700}
:root.bad{--mark:#b3261e}:root.good{--mark:#1d7a44}
@media(prefers-color-scheme:dark){:root{--ground:#14161a;--sheet:#1d2026;--ink:#eceef2;--quiet:#a9b1bf;--line:#3a404b;--accent:#8ab4f8;--on-accent:#10213d;--mark:#8ab4f8;--warn:#e3b341}
:root.bad{--mark:#f2a29b}:root.good{--mark:#86d3a4}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:34rem;margin:clamp(0rem,8vh,5rem) auto;padding:clamp(1.25rem,5vw,2.25rem);background:var(--sheet);border:1px solid var(--line);border-top:4px solid var(--mark);border-radius:.5rem}
@media(max-width:36rem){main{margin:0;min-height:100vh;border-width:4px 0 0;border-radius:0}}
h1{margin:0 0 1rem;font-size:1.45rem;line-height:1.3;text-wrap:balance}
h2{margin:1.5rem 0 .4rem;font-size:1rem}
p{margin:.6rem 0}
ul{margin:.4rem 0;padding-left:1.25rem}
li{margin:.2rem 0}
code{font:.9em ui-monospace,monospace}
.quiet{color:var(--quiet);font-size:.9rem}
.number{margin-top:1.75rem}
.warn{padding:.6rem .9rem;border-left:4px solid var(--warn);background:var(--ground)}
.column{flex-direction:column}
.column button{flex:0 0 auto}
form{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.75rem 0 1.25rem}
button,.button{flex:1 1 8rem;min-height:2.9rem;padding:.6rem 1.25rem;border:1px solid var(--quiet);border-radius:.4rem;background:transparent;color:var(--ink);font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer}
.button{display:inline-block}
.first{border-color:var(--accent);background:var(--accent);color:var(--on-accent)}
button:hover,.button:hover{filter:brightness(1.08)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
details{margin-top:1.25rem;padding-top:1rem;border-top:1px solid var(--line)}
summary{cursor:pointer;color:var(--quiet)}
dl{margin:.75rem 0 0;font-size:.9rem}
dt{color:var(--quiet)}
dd{margin:0 0 .6rem}
a{color:var(--accent)}
`;

export const style = new Html(`<style>${css}</style>`);

/** What a Content Security Policy names the one stylesheet by. */
export const styleSource = `'sha256-${createHash("sha256").update(css, "utf8").digest("base64")}'`;
