import { describe, expect, test } from "vitest";

const missing = "no engine runs here: start one";

test("is run", () => {
  expect(missing).toContain("engine");
});

describe.skipIf(missing)(`a fleet: ${missing}`, () => {
  test("one", () => undefined);
  test("another", () => undefined);
});
