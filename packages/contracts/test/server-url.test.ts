import { expect, it } from "vitest";
import { isServerUrl, splitServerUrls } from "../src/index.ts";

it("takes the login of the first URL, decoded, and leaves none in any", () => {
  const urls = ["nats://ada:p%40ss%3Aw@one:4222", "tls://bob:other@two:4222"];
  expect(splitServerUrls(urls)).toEqual({
    servers: ["nats://one:4222", "tls://two:4222"],
    login: { user: "ada", pass: "p@ss:w" },
  });
});

it("takes a user alone for a token, and nothing for no login", () => {
  expect(splitServerUrls(["nats://s3cr%2Ft@[::1]:4222"])).toEqual({
    servers: ["nats://[::1]:4222"],
    login: { token: "s3cr/t" },
  });
  expect(splitServerUrls(["wss://host/path"])).toEqual({ servers: ["wss://host/path"], login: {} });
});

it.each([
  ["nats://host", true],
  ["wss://ada:p%40ss@host:443/path", true],
  ["nats://ada%zz@host", false],
  ["nats://ada:%ff@host", false],
  ["http://host", false],
  ["nats://", false],
  ["host:4222", false],
  ["", false],
])("%s is the URL of a server: %s", (text, is) => {
  expect(isServerUrl(text)).toBe(is);
});
