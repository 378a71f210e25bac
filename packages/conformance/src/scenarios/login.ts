// Logins by file: who the member is to the server, whom it trusts, and what it does when it is refused.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeOperator } from "@muster/testkit";
import { makeAuthority } from "@muster/testkit/certificates";
import { credsAuthenticator, nkeyAuthenticator, nkeys } from "@nats-io/transport-node";
import { holds, same } from "../expect.ts";
import type { Lab } from "../lab/lab.ts";
import { type Scenario, scenario } from "../scenario.ts";

const refused = { code: 4, signal: null };
const bad = { code: 2, signal: null };

export const login: Scenario[] = [
  scenario("login-nkey", "ENV-5", "NATS_NKEY is a file with the seed it logs in with", async (lab) => {
    const files = await folder(lab);
    const [owner, member] = [nkeys.createUser(), nkeys.createUser()];
    const users = [owner, member].map((user) => `{ nkey: ${user.getPublicKey()} }`);
    const site = await lab.ownServer({
      config: `authorization { users: [${users.join(", ")}] }`,
      connect: { authenticator: nkeyAuthenticator(owner.getSeed()) },
    });
    const group = await lab.group({ on: site });
    lab.join(group, { NATS_NKEY: await files.write("m.nk", `${text(member.getSeed())}\n`) });
    await group.send({ eventId: "l.1" });
    await group.settled("l.1", "done");
  }),

  scenario("login-creds", "ENV-5", "NATS_CREDS is a file with a user's JWT and seed", async (lab) => {
    const files = await folder(lab);
    const operator = await makeOperator();
    const own = new TextEncoder().encode(await operator.credentials("owner"));
    const site = await lab.ownServer({
      config: operator.config,
      connect: { authenticator: credsAuthenticator(own) },
    });
    const group = await lab.group({ on: site });
    lab.join(group, { NATS_CREDS: await files.write("m.creds", await operator.credentials("member")) });
    await group.send({ eventId: "l.1" });
    await group.settled("l.1", "done");
  }),

  scenario(
    "login-replaced",
    "ENV-6 WIRE-6",
    "credentials that expire are read anew, and a refusal on the way does not end it",
    async (lab) => {
      const files = await folder(lab);
      const operator = await makeOperator();
      const own = new TextEncoder().encode(await operator.credentials("owner"));
      const site = await lab.ownServer({
        config: operator.config,
        connect: { authenticator: credsAuthenticator(own) },
      });
      const group = await lab.group({ on: site });
      const first = await operator.credentials("member", { lifeMs: 4000 });
      const member = lab.join(group, { NATS_CREDS: await files.write("m.creds", first) });
      await member.joined();
      await member.said(/"disconnected"/);
      await files.write("m.creds", await operator.credentials("member"));
      await member.said(/"reconnected"/);
      await group.send({ eventId: "l.1" });
      await group.settled("l.1", "done");
    },
  ),

  scenario(
    "login-refused",
    "WIRE-6 EXIT-1",
    "a login that the server refuses at the start ends it with 4, and it says so",
    async (lab) => {
      const site = await lab.ownServer({
        config: "authorization { user: ada, password: right }",
        connect: { user: "ada", pass: "right" },
      });
      const member = lab.join({
        url: site.url.replace("//", "//ada:wrong@"),
        stream: "S",
        group: "g",
      });
      same("its end", await member.ended(), refused);
      holds(
        "it says why",
        member.lines.some((line) => line.includes('"login_refused"')),
        member.lines,
      );
      same(
        "lines with the password",
        member.lines.filter((line) => line.includes("wrong")),
        [],
      );
    },
  ),

  scenario(
    "login-subscription",
    "SEC-3 EXIT-1 ENV-7",
    "an inbox that it may not listen to ends it with 4; another prefix is the way out",
    async (lab) => {
      const permissions = '{ subscribe: ["_OWN.>", "muster.member.>"] }';
      const site = await lab.ownServer({
        config: `authorization { users: [{ user: owner, password: p }, { user: member, password: p, permissions: ${permissions} }] }`,
        connect: { user: "owner", pass: "p" },
      });
      const group = await lab.group({ on: site });
      const at = { ...group, url: site.url.replace("//", "//member:p@") };
      const deaf = lab.join(at);
      const ended = deaf.ended();
      await deaf.said(/"not_permitted"/);
      same("the end of the one without", await ended, refused);
      const member = lab.join(at, { MUSTER_INBOX_PREFIX: "_OWN" });
      await member.joined();
      await group.send({ eventId: "l.1" });
      await group.settled("l.1", "done");
    },
  ),

  scenario("login-ca", "ENV-5", "NATS_CA is whom it trusts, and nobody else", async (lab) => {
    const files = await folder(lab);
    const [ours, theirs] = [await makeAuthority("ours"), await makeAuthority("theirs")];
    const server = await ours.issue(["127.0.0.1", "localhost"]);
    const [cert, key, ca, other] = [
      await files.write("server.pem", server.cert),
      await files.write("server-key.pem", server.key),
      await files.write("ca.pem", ours.cert),
      await files.write("other.pem", theirs.cert),
    ];
    const site = await lab.ownServer({
      config: `tls { cert_file: "${cert}", key_file: "${key}" }`,
      connect: { tls: { caFile: ca } },
    });
    const group = await lab.group({ on: site });
    const stranger = lab.join(
      { url: site.url, stream: group.stream, group: group.group },
      { NATS_CA: other },
    );
    await stranger.said(/"no_connection"/);
    const member = lab.join(group, { NATS_CA: ca });
    await group.send({ eventId: "l.1" });
    same("who did it", (await group.settled("l.1", "done")).member, member.id);
    same(
      "what the other one joined",
      stranger.lines.filter((line) => line.includes('"joined"')),
      [],
    );
  }),

  scenario("login-ca-plain", "ENV-5", "with NATS_CA it uses no server without TLS", async (lab) => {
    const files = await folder(lab);
    const group = await lab.group();
    const ca = await files.write("ca.pem", (await makeAuthority("ours")).cert);
    const careful = lab.join({ url: group.url, stream: group.stream, group: group.group }, { NATS_CA: ca });
    await careful.said(/"no_connection"/);
    const member = lab.join(group);
    await group.send({ eventId: "l.1" });
    same("who did it", (await group.settled("l.1", "done")).member, member.id);
    same(
      "what the careful one joined",
      careful.lines.filter((line) => line.includes('"joined"')),
      [],
    );
  }),

  scenario("login-bad-files", "ENV-2 ENV-5", "files that cannot be used are bad variables", async (lab) => {
    const files = await folder(lab);
    const user = nkeys.createUser();
    const seed = text(user.getSeed());
    const account = text(nkeys.createAccount().getSeed());
    const mistyped = seed.slice(0, 20) + (seed[20] === "A" ? "B" : "A") + seed.slice(21);
    const [good, nonsense] = [await files.write("good.nk", seed), await files.write("x", "nonsense")];
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const wrong: [what: string, env: Record<string, string>, named: string[]][] = [
      [
        "files that are not there",
        { NATS_NKEY: join(files.at, "a"), NATS_CA: join(files.at, "b") },
        ["NATS_CA", "NATS_NKEY"],
      ],
      ["files of something else", { NATS_CREDS: nonsense, NATS_CA: nonsense }, ["NATS_CA", "NATS_CREDS"]],
      ["a seed without its JWT", { NATS_CREDS: good }, ["NATS_CREDS"]],
      ["a mistyped seed", { NATS_NKEY: await files.write("typo.nk", mistyped) }, ["NATS_NKEY"]],
      ["the seed of an account", { NATS_NKEY: await files.write("account.nk", account) }, ["NATS_NKEY"]],
      ["a broken certificate", { NATS_CA: await files.write("broken.pem", broken) }, ["NATS_CA"]],
    ];
    for (const [what, env, named] of wrong) {
      const member = lab.join({ url: lab.url, stream: "S", group: "g" }, env);
      same(`the end with ${what}`, await member.ended(), bad);
      same(`the variables named for ${what}`, variables(member.lines), named);
      const secrets = [seed, account, mistyped, "nonsense"].filter((secret) =>
        member.lines.join().includes(secret),
      );
      same(`what leaked with ${what}`, secrets, []);
    }
  }),

  scenario("login-only-one", "ENV-5", "there is one login only", async (lab) => {
    const files = await folder(lab);
    const operator = await makeOperator();
    const creds = await files.write("m.creds", await operator.credentials("m"));
    const nkey = await files.write("m.nk", text(nkeys.createUser().getSeed()));
    const both = lab.join({ url: lab.url, stream: "S", group: "g" }, { NATS_CREDS: creds, NATS_NKEY: nkey });
    same("the end with both", await both.ended(), bad);
    same("the variable named", variables(both.lines), ["NATS_NKEY"]);
    const url = lab.url.replace("//", "//ada:pass@");
    const twice = lab.join({ url, stream: "S", group: "g" }, { NATS_NKEY: nkey });
    same("the end with a login in the URL", await twice.ended(), bad);
    same("the variable named then", variables(twice.lines), ["NATS_NKEY"]);
  }),
];

/** A folder of the scenario's own; `write` gives the path of the file. */
async function folder(lab: Lab): Promise<{ at: string; write(name: string, text: string): Promise<string> }> {
  const at = await mkdtemp(join(tmpdir(), "muster-login-"));
  lab.defer(() => rm(at, { recursive: true }));
  return {
    at,
    async write(name, content) {
      const path = join(at, name);
      await writeFile(path, content, { mode: 0o600 });
      return path;
    },
  };
}

function variables(lines: readonly string[]): string[] {
  return lines.map((line) => /^[A-Z_]+/.exec(line)?.[0] ?? line).toSorted();
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
