import { createRequire } from "node:module";
import type * as wasm from "@cedar-policy/cedar-wasm/nodejs";

/** Cedar's own engine, in WebAssembly. */
export type Engine = typeof wasm;

/** Tries something with the engine; undefined where the engine gave up on it. */
export type Cedar = <T>(ask: (engine: Engine) => T) => T | undefined;

/** A new engine with a memory of its own: about 25 ms and 30 MB. */
const load = (): Engine => {
  // A loader that is kept would hold on to every engine that it ever loaded.
  const loader = createRequire(import.meta.url);
  const path = loader.resolve("@cedar-policy/cedar-wasm/nodejs");
  Reflect.deleteProperty(loader.cache, path);
  const engine = loader(path) as Engine;
  Reflect.deleteProperty(loader.cache, path);
  return engine;
};

/**
 * The engine, loaded when it is first asked: an installation without policies never pays for it. What makes it run out of stack leaves its memory in
 * a state that nobody knows, and everything that it is asked from then on fails; so it is dropped, and the next question has a new one.
 */
export const makeCedar = (): Cedar => {
  let engine: Engine | undefined;
  return (ask) => {
    engine ??= load();
    try {
      return ask(engine);
    } catch {
      engine = undefined;
      return undefined;
    }
  };
};
