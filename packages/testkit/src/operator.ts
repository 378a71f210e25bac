import {
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
} from "@nats-io/jwt";

/** A server's configuration in operator mode, with one account that may use JetStream. */
export type Operator = {
  /** Lines for the server's configuration file. */
  readonly config: string;
  /** Makes a user of the account; returns what its credentials file holds. `lifeMs`: until when it is good. */
  credentials(name: string, options?: { lifeMs?: number }): Promise<string>;
};

/** Makes an operator and an account, as `nsc` would. */
export async function makeOperator(): Promise<Operator> {
  const operator = createOperator();
  const [account, system] = [createAccount(), createAccount()];
  const own = await encodeOperator("muster", operator, { system_account: system.getPublicKey() });
  const limits = {
    mem_storage: -1,
    disk_storage: -1,
    streams: -1,
    consumer: -1,
    conn: -1,
    subs: -1,
    data: -1,
    payload: -1,
    imports: -1,
    exports: -1,
    wildcards: true,
  };
  const token = await encodeAccount("fleet", account, { limits }, { signer: operator });
  const systemToken = await encodeAccount("SYS", system, {}, { signer: operator });
  return {
    config: `operator: ${own}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${token}, ${system.getPublicKey()}: ${systemToken} }`,
    async credentials(name, { lifeMs } = {}) {
      const user = createUser();
      const until = lifeMs === undefined ? {} : { exp: Math.floor((Date.now() + lifeMs) / 1000) };
      return new TextDecoder().decode(fmtCreds(await encodeUser(name, user, account, {}, until), user));
    },
  };
}
