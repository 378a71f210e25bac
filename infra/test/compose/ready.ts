// What every test here begins with: an engine, and something behind each `FROM`.
import { bases } from "./bases.ts";
import { type Engine, engineMissing, startEngine } from "./engine.ts";
import { makeStandIns } from "./stand-ins.ts";

/** For what builds images and starts a fleet, milliseconds: on a cold machine minutes, and no more than that is told. */
export const PATIENCE_MS: number = 20 * 60_000;

/** Why nothing can be run here; nothing where it can. Fails in CI, where it must. */
export const missing: string | undefined = await engineMissing();
if (missing !== undefined && process.env["CI"]) throw new Error(missing);

/** An engine that has the base images, or stand-ins for them. */
export type Ready = AsyncDisposable & {
  readonly env: Record<string, string>;
  /** Base images that there is none of. */
  readonly without: readonly string[];
  /** Notes how long it took since the last note; all are told at the end. */
  took(what: string): void;
};

/** Starts what is missing. Dispose of it after the fleets. */
export async function ready(what: string): Promise<Ready> {
  const steps: string[] = [];
  let began = performance.now();
  const took = (step: string): void => {
    steps.push(`${step} ${((performance.now() - began) / 1000).toFixed(0)} s`);
    began = performance.now();
  };
  const engine: Engine = await startEngine();
  took("engine");
  const without = engine.isOurs ? await makeStandIns(await bases(), engine.env) : [];
  took("base images");
  return {
    env: engine.env,
    without,
    took,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      process.stderr.write(
        `compose ${what}: ${steps.join(", ")}; left out: ${without.join() || "nothing"}\n`,
      );
    },
  };
}
