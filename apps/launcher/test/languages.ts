import { type Language, languages } from "@muster/testkit";
import { goMissing } from "../src/setup/go.ts";
import { pythonMissing } from "../src/setup/python.ts";

const missing = { ts: undefined, go: goMissing(), py: pythonMissing() };

/** The languages whose toolchain this machine has. */
export const languagesHere: readonly Language[] = languages.filter((one) => missing[one] === undefined);
