// Logins by file: who the member is to the server, whom it trusts, and what it does when it is refused.
import { makeOperator, type Operator } from "@muster/testkit";
import { makeAuthority } from "@muster/testkit/certificates";
import { credsAuthenticator, nkeyAuthenticator, nkeys } from "@nats-io/transport-node";
import { holds, same } from "../expect.ts";
import { openFolder } from "../lab/folder.ts";
import type { Group } from "../lab/group.ts";
import type { Lab } from "../lab/lab.ts";
import type { Member } from "../lab/member.ts";
import { type Scenario, scenario } from "../scenario.ts";

const refused = { code: 4, signal: null };

export const login: Scenario[] = [
  scenario("login-nkey", "ENV-5", "NATS_NKEY is a file with the seed it logs in with", async (lab) => {
    const files = await openFolder(lab);
    const [owner, member] = [nkeys.createUser(), nkeys.createUser()];
    const users = [owner, member].map((user) => `{ nkey: ${user.getPublicKey()} }`);
    const site = await lab.ownServer({
      config: `authorization { users: [${users.join(", ")}] }`,
      connect: { authenticator: nkeyAuthenticator(owner.getSeed()) },
    });
    const group = await lab.group({ on: site });
    const seed = new TextDecoder().decode(member.getSeed());
    lab.join(group, { NATS_NKEY: await files.write("m.nk", `${seed}\n`) });
    await group.send({ eventId: "l.1" });
    await group.settled("l.1", "done");
  }),

  scenario("login-creds", "ENV-5", "NATS_CREDS is a file with a user's JWT and seed", async (lab) => {
    const files = await openFolder(lab);
    const { operator, group } = await openOperated(lab);
    lab.join(group, { NATS_CREDS: await files.write("m.creds", await operator.credentials("member")) });
    await group.send({ eventId: "l.1" });
    await group.settled("l.1", "done");
  }),

  scenario(
    "login-replaced",
    "ENV-6 WIRE-6",
    "credentials that expire are read anew, and a refusal on the way does not end it",
    async (lab) => {
      const files = await openFolder(lab);
      const { operator, group } = await openOperated(lab);
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
    const files = await openFolder(lab);
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
    await onlyDoneBy(lab.join(group, { NATS_CA: ca }), group, stranger);
  }),

  scenario("login-ca-plain", "ENV-5", "with NATS_CA it uses no server without TLS", async (lab) => {
    const files = await openFolder(lab);
    const group = await lab.group();
    const ca = await files.write("ca.pem", (await makeAuthority("ours")).cert);
    const careful = lab.join({ url: group.url, stream: group.stream, group: group.group }, { NATS_CA: ca });
    await careful.said(/"no_connection"/);
    await onlyDoneBy(lab.join(group), group, careful);
  }),
];

/** A group on a server whose users are those of an operator. */
async function openOperated(lab: Lab): Promise<{ operator: Operator; group: Group }> {
  const operator = await makeOperator();
  const own = new TextEncoder().encode(await operator.credentials("owner"));
  const site = await lab.ownServer({
    config: operator.config,
    connect: { authenticator: credsAuthenticator(own) },
  });
  return { operator, group: await lab.group({ on: site }) };
}

/** The member does what is sent, and the one that found no server to trust has never joined. */
async function onlyDoneBy(member: Member, group: Group, other: Member): Promise<void> {
  await group.send({ eventId: "l.1" });
  same("who did it", (await group.settled("l.1", "done")).member, member.id);
  same(
    "what the other one joined",
    other.lines.filter((line) => line.includes('"joined"')),
    [],
  );
}
