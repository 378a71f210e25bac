import { expect, test } from "vitest";
import { lackOf, lackOfConsumer } from "../src/groups/copies.ts";

const peer = (name: string, over: object = {}) => ({
  name,
  current: true,
  offline: false,
  active: 1,
  lag: 0,
  ...over,
});
const whole = { leader: "n1", replicas: [peer("n2"), peer("n3")] };

test.each<[string, object | undefined, number]>([
  ["all copies are up to date", whole, 3],
  ["one copy is all it is to have", { leader: "n1" }, 1],
  ["the server is in no cluster", undefined, 3],
])("nothing lacks where %s", (_, cluster, wanted) => {
  expect(lackOf(cluster, wanted)).toBeUndefined();
});

test.each<[string, object, boolean]>([
  ["1 of 3 copies up to date", { leader: "n1" }, true],
  ["3 of 3 copies up to date (copies are being placed)", { ...whole, desired: {} }, true],
  [
    "2 of 3 copies up to date (n3 is not up to date)",
    { leader: "n1", replicas: [peer("n2"), peer("n3", { current: false })] },
    false,
  ],
  [
    "2 of 3 copies up to date (n3 is offline)",
    { leader: "n1", replicas: [peer("n2"), peer("n3", { offline: true })] },
    false,
  ],
  ["2 of 3 copies up to date (no leader)", { replicas: [peer("n2"), peer("n3")] }, true],
])("%s", (words, cluster, isPlacing) => {
  expect(lackOf(cluster, 3)).toEqual({ words, isPlacing, hasLeader: "leader" in cluster });
});

test("a consumer is to have what it says, else as many as its stream, where it is not a short-lived one on limits", () => {
  const lacks = (config: object, retention: string) =>
    lackOfConsumer({ cluster: { leader: "n1" }, config: config as never }, {
      retention,
      num_replicas: 3,
    } as never) !== undefined;
  expect(lacks({ durable_name: "a", num_replicas: 0 }, "limits")).toBe(true);
  expect(lacks({ durable_name: "a", num_replicas: 1 }, "limits")).toBe(false);
  expect(lacks({ num_replicas: 0 }, "limits")).toBe(false);
  expect(lacks({ num_replicas: 0 }, "workqueue")).toBe(true);
});
