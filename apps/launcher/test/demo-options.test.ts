import { describe, expect, it } from "vitest";
import { demo } from "../src/demo/main.ts";
import { readOptions } from "../src/demo/options.ts";

describe("the options of the demo", () => {
  it("have defaults", () => {
    const options = { orders: 1000, seed: 1, keep: false, json: false };
    expect(readOptions([])).toEqual({ type: "run", options });
  });

  it("are read in both spellings", () => {
    const options = { orders: 300, seed: 7, keep: true, json: true };
    expect(readOptions(["--orders", "300", "--seed=7", "--keep", "--json"])).toEqual({
      type: "run",
      options,
    });
  });

  it.each([["--help"], ["-h"]])("give the help for %s", (word) => {
    expect(readOptions([word])).toEqual({ type: "help" });
  });

  it.each([
    [["--orders", "0"], "--orders must be a whole number from 1 to 1000000"],
    [["--orders", "1000001"], "--orders must be a whole number"],
    [["--orders", "many"], "--orders must be a whole number"],
    [["--orders", "1e3"], "--orders must be a whole number"],
    [["--orders", ""], "--orders must be a whole number"],
    [["--orders"], "--orders"],
    [["--seed", "1.5"], "--seed must be a whole number from 0 to 4294967295"],
    [["--seed", "-1"], "--seed"],
    [["--seed=-1"], "--seed must be a whole number"],
    [["--fast"], "--fast"],
    [["now"], "now"],
  ])("are refused with the reason: %j", (args, problem) => {
    const read = readOptions(args);
    expect(read.type).toBe("bad");
    expect(read.type === "bad" && read.problem).toContain(problem);
  });

  it("end the demo with exit code 2 when they are bad, before anything is started", async () => {
    expect(await demo(["--orders", "0"])).toBe(2);
  });
});
