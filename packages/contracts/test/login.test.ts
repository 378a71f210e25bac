import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isLoginRefusal, loginOptions } from "../src/index.ts";

// All zeros: of no use anywhere.
const seed = "SUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEQ";
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const client = {
  nkeyAuthenticator: (of: () => Uint8Array) => () => `nkey ${text(of())}`,
  jwtAuthenticator: (jwt: () => string, of: () => Uint8Array) => () => `jwt ${jwt()} ${text(of())}`,
};

it("makes no login where no file is named, and the one that the file holds", async () => {
  const folder = await mkdtemp(join(tmpdir(), "muster-login-"));
  expect(loginOptions(client)).toEqual({});
  expect(loginOptions(client, { ca: "ca.pem" })).toEqual({ tls: { caFile: "ca.pem" } });
  const nkey = join(folder, "user.nk");
  await writeFile(nkey, `${seed}\n`);
  expect(loginOptions(client, { nkey }).authenticator?.()).toBe(`nkey ${seed}`);
  const creds = join(folder, "user.creds");
  const block = "-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n";
  await writeFile(creds, `${block}\n${seed}\n`);
  expect(loginOptions(client, { creds }).authenticator?.()).toBe(`jwt a.b.c ${seed}`);
  await rm(folder, { recursive: true });
});

it("tells a login that is refused from a server that is slow to look at it", () => {
  for (const said of ["Authorization Violation", "user authentication expired", "authentication revoked"])
    expect(isLoginRefusal(said)).toBe(true);
  for (const said of ["authentication timeout", "connection refused"])
    expect(isLoginRefusal(said)).toBe(false);
});
