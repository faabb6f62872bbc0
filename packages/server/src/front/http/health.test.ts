import { afterEach, describe, expect, test } from "vitest";
import { closeAll, open } from "./http-for-tests.ts";

afterEach(closeAll);

describe("health and metrics", () => {
  test("readyz follows the store, livez does not", async () => {
    let broken = false;
    const { app } = await open({ limits: { ping: 30 } }, () => (broken ? Promise.reject(new Error("gone")) : Promise.resolve()));
    expect((await app.inject({ url: "/readyz" })).statusCode).toBe(200);
    broken = true;
    expect((await app.inject({ url: "/readyz" })).statusCode).toBe(503);
    expect((await app.inject({ url: "/livez" })).statusCode).toBe(200);
    const hanging = await open({ limits: { ping: 30 } }, () => new Promise(() => undefined));
    expect((await hanging.app.inject({ url: "/readyz" })).statusCode).toBe(503);
  });

  test("metrics count by operation and status, and name nobody", async () => {
    const { app } = await open();
    await app.inject({ method: "POST", url: "/json/private-name" });
    await app.inject({ url: "/private-path" });
    const { body } = await app.inject({ url: "/metrics" });
    expect(body).toContain('legate_http_requests_total{operation="echo",method="POST",status="200"} 1');
    expect(body).toContain('legate_http_requests_total{operation="none",method="GET",status="404"} 1');
    expect(body).toContain('legate_http_request_duration_seconds_count{operation="echo"} 1');
    expect(body).toContain("process_resident_memory_bytes");
    expect(body).not.toContain("private");
  });

  test("GET / says what this is, to people and to programs", async () => {
    const { app } = await open();
    expect((await app.inject({ url: "/" })).json()).toMatchObject({ name: "Legate", docs: "http://127.0.0.1:8700/docs" });
    const page = await app.inject({ url: "/", headers: { accept: "text/html,*/*" } });
    expect(page.headers["content-type"]).toContain("text/html");
    expect(page.body).toContain('href="docs"');
  });
});
