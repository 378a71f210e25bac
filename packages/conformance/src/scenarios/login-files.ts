// Files of a login that cannot be used: said at once, each by its variable, and nothing of what they hold.
import { join } from "node:path";
import { makeOperator } from "@muster/testkit";
import { nkeys } from "@nats-io/transport-node";
import { same } from "../expect.ts";
import { openFolder } from "../lab/folder.ts";
import { type Scenario, scenario } from "../scenario.ts";

const bad = { code: 2, signal: null };

export const loginFiles: Scenario[] = [
  scenario("login-bad-files", "ENV-2 ENV-5", "files that cannot be used are bad variables", async (lab) => {
    const files = await openFolder(lab);
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
    const files = await openFolder(lab);
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

function variables(lines: readonly string[]): string[] {
  return lines.map((line) => /^[A-Z_]+/.exec(line)?.[0] ?? line).toSorted();
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
