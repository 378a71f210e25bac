export { runScenarios, type RunOptions } from "./runner.ts";
export { type Result, type Scenario, scenario, type Status } from "./scenario.ts";
export { scenarios } from "./scenarios/index.ts";
export { uncovered } from "./uncovered.ts";
