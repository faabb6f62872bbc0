import { createServer } from "node:http";
import { once } from "node:events";

const mostSteps = 30;

const attribute = (tag, name) => new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1]?.replaceAll("&amp;", "&");

/** The first form of a page, filled in as a person would who is called `user` and says yes to all. */
const filled = (text, at, user) => {
  const [, opening, inside] = /(<form[^>]*method="post"[^>]*>)([\s\S]*?)<\/form>/.exec(text) ?? [];
  if (opening === undefined) return undefined;
  const fields = new URLSearchParams();
  for (const [input] of inside.matchAll(/<input[^>]*>/g)) {
    const name = attribute(input, "name");
    if (name !== undefined) fields.append(name, name === "login" ? user : (attribute(input, "value") ?? ""));
  }
  const [button] = /<button[^>]*\sname="[^>]*>/.exec(inside) ?? [];
  if (button) fields.append(attribute(button, "name"), attribute(button, "value") ?? "");
  return { url: new URL(attribute(opening, "action") ?? "", at), fields };
};

/**
 * Goes the way of a browser from an authorization URL to the client's redirect URI: follows redirects and pages that go on by themselves, logs in,
 * consents. Each walk is a fresh browser.
 * @returns the whole URL that the browser is sent back to
 */
export const walk = async (authorizationUrl, user = "alice") => {
  const back = new URL(authorizationUrl).searchParams.get("redirect_uri");
  const jars = new Map();
  let url = new URL(authorizationUrl);
  let form;
  for (let step = 0; step < mostSteps; step += 1) {
    // Hosts on loopback share cookies between ports, and each server here names its own.
    const cookie = [...jars].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(url, {
      redirect: "manual",
      headers: { accept: "text/html", ...(cookie && { cookie }), ...(form && { origin: url.origin }) },
      ...(form && { method: "POST", body: form }),
    });
    form = undefined;
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ""] = line.split(";");
      const at = pair.indexOf("=");
      if (/expires=thu, 01 jan 1970|max-age=0/i.test(line) || at === pair.length - 1) jars.delete(pair.slice(0, at));
      else jars.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const text = await answer.text();
    const onward = answer.headers.get("location") ?? /^\s*\d+\s*;\s*url=(.*)$/i.exec(answer.headers.get("refresh") ?? "")?.[1];
    if (onward !== undefined) {
      url = new URL(onward, url);
      if (back !== null && url.href.startsWith(back)) return url.href;
      continue;
    }
    const next = filled(text, url, user);
    if (!next) throw new Error(`${url.origin}${url.pathname} answered ${answer.status} without a way on: ${text.slice(0, 2000)}`);
    url = next.url;
    form = next.fields;
  }
  throw new Error("The browser is sent around without end.");
};

/** Serves {@link walk} to judges in other languages: `POST /` with an authorization URL answers where the browser ends. */
export const servePerson = async () => {
  const server = createServer((request, response) => {
    const answer = async () => {
      let asked = "";
      for await (const chunk of request) asked += chunk;
      return walk(asked.trim());
    };
    answer().then(
      (where) => response.end(where),
      (error) => response.writeHead(500).end(String(error)),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
};
