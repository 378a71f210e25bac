// The environment: what is wrong is said at once, and what is optional has its effect.
import { holds, like, same } from "../expect.ts";
import { type Scenario, scenario } from "../scenario.ts";

const wrongUrls = [
  ["scheme", "http://127.0.0.1:4222"],
  ["none", "127.0.0.1:4222"],
  ["host", "nats://"],
  ["second", "nats://127.0.0.1:4222,oops"],
] as const;

export const settings: Scenario[] = [
  ...wrongUrls.map(([name, url]) =>
    scenario(
      `env-url-${name}`,
      "ENV-2 EXIT-1",
      `NATS_URL ${url} is refused with one line and exit 2`,
      async (lab) => {
        const member = lab.join({ url, stream: "S", group: "g" });
        same("its end", await member.ended(), { code: 2, signal: null });
        same("lines said", member.lines.length, 1);
        like("the line", member.lines[0], /^NATS_URL/);
      },
    ),
  ),

  scenario("env-all-named", "ENV-2 NAME-2", "every bad variable is named, and nothing else", async (lab) => {
    const bad = {
      WORKER_ID: "a b",
      MUSTER_HEARTBEAT_MS: "10",
      MUSTER_GRACE_MS: "-1",
      MUSTER_API_PREFIX: "a b",
      LOG_LEVEL: "loud",
    };
    const member = lab.join({ url: "", stream: "a.b", group: "x".repeat(61) }, bad);
    same("its end", await member.ended(), { code: 2, signal: null });
    const named = member.lines.map((line) => /^[A-Z_]+/.exec(line)?.[0] ?? line);
    const wrong = [...Object.keys(bad), "NATS_URL", "MUSTER_STREAM", "MUSTER_GROUP"];
    same("the variables named", new Set(named), new Set(wrong));
    same("lines said", named.length, wrong.length);
  }),

  scenario(
    "env-words",
    "ENV-2 NAME-2",
    "what is no number, no name, nothing at all is named",
    async (lab) => {
      const member = lab.join(
        { url: "http://nowhere", stream: "a b", group: "" },
        { MUSTER_HEARTBEAT_MS: "soon" },
      );
      same("its end", await member.ended(), { code: 2, signal: null });
      const text = member.lines.join("\n");
      for (const name of ["NATS_URL", "MUSTER_STREAM", "MUSTER_GROUP", "MUSTER_HEARTBEAT_MS"])
        holds(`${name} is named`, text.includes(name), text);
    },
  ),

  scenario("env-several-servers", "ENV-1", "of several servers it takes one that answers", async (lab) => {
    const group = await lab.group();
    lab.join({ ...group, url: `nats://127.0.0.1:9,${lab.url}` });
    await group.send({ eventId: "u.1" });
    await group.settled("u.1", "done");
  }),

  scenario(
    "env-url-user",
    "ENV-1",
    "user and password in the first URL are the login for all",
    async (lab) => {
      const login = { user: "ada", pass: "p@ss:w/rd" };
      const config = `authorization { user: ${login.user}, password: ${JSON.stringify(login.pass)} }`;
      const site = await lab.ownServer({ config, connect: login });
      const group = await lab.group({ on: site });
      // Of the first one, also for the others.
      const url = `nats://${login.user}:${encodeURIComponent(login.pass)}@127.0.0.1:9,${site.url}`;
      const member = lab.join({ ...group, url });
      await group.send({ eventId: "u.2" });
      await group.settled("u.2", "done");
      same(
        "lines with the password",
        member.lines.filter((line) => line.includes(login.pass) || line.includes("p%40ss")),
        [],
      );
    },
  ),

  scenario("env-own-id", "ENV-1", "without WORKER_ID it makes one of host and pid", async (lab) => {
    const group = await lab.group();
    // An empty variable is none.
    const member = lab.join(group, { WORKER_ID: "" });
    await group.send({ eventId: "i.1" });
    const { member: id } = await group.settled("i.1", "done");
    like("the id", id, new RegExp(`^[A-Za-z0-9_-]{1,60}$`));
    holds("it ends with the pid", id.endsWith(`-${member.pid}`), id);
  }),

  scenario("env-url-escape", "ENV-2", "a login that cannot be decoded is a bad variable", async (lab) => {
    for (const login of ["ada%zz:pass", "ada:%ff", "100%"]) {
      const member = lab.join({ url: `nats://${login}@127.0.0.1:4222`, stream: "S", group: "g" });
      same(`the end with ${login}`, await member.ended(), { code: 2, signal: null });
      const isNamed = member.lines.some((line) => line.startsWith("NATS_URL"));
      holds(`the variable is named for ${login}`, isNamed, member.lines);
      same(
        "lines with the login",
        member.lines.filter((line) => line.includes(login)),
        [],
      );
    }
  }),

  scenario("env-url-secret", "ENV-2", "credentials in a bad URL are not printed", async (lab) => {
    const url = "nats://somebody:topsecret@127.0.0.1:4222,oops";
    const member = lab.join({ url, stream: "S", group: "g" });
    same("its end", await member.ended(), { code: 2, signal: null });
    holds(
      "the variable is named",
      member.lines.some((line) => line.startsWith("NATS_URL")),
      member.lines,
    );
    same(
      "lines with the password",
      member.lines.filter((line) => line.includes("topsecret")),
      [],
    );
  }),

  scenario("env-core", "ENV-3 NAME-3", "the stream token core is taken for mode queue only", async (lab) => {
    lab.expectUnsupported();
    const group = await lab.group({ delivery: { mode: "queue" }, ledger: "none" });
    await group.change({ delivery: { mode: "pull" }, ledger: "kv" });
    const member = lab.join(group);
    await member.said(/"(unsupported_spec|bad_spec)"/);
    await member.recorded("starting", ({ state }) => state === "starting");
  }),

  scenario(
    "env-database",
    "ENV-3",
    "ledger postgres without DATABASE_URL: starting, and it says what to do",
    async (lab) => {
      lab.expectUnsupported();
      const group = await lab.group({ ledger: "postgres" });
      await group.send({ eventId: "d.1" });
      const member = lab.join(group, { DATABASE_URL: "" });
      await member.said(/"unsupported_spec"/);
      await member.recorded("starting", ({ state }) => state === "starting");
      await member.beats(2);
      same("messages that wait", (await group.consumer()).num_pending, 1);
      same("said once", member.lines.filter((line) => line.includes('"unsupported_spec"')).length, 1);
    },
  ),
];
