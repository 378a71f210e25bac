// How the login files become the login of a client, and how a server says that it does not take one.
import { fileLogin, type LoginFiles } from "./login-files.ts";

/** What the NATS client makes a login with; this package does not depend on it. */
export type Authenticators<A> = {
  nkeyAuthenticator: (seed: () => Uint8Array) => A;
  jwtAuthenticator: (jwt: () => string, seed: () => Uint8Array) => A;
};

/**
 * Options to connect with by the files of NATS_CREDS, NATS_NKEY and NATS_CA, which are read anew at each connection.
 * Empty where none is set. With an authority given, a server without TLS is not used.
 */
export function loginOptions<A>(
  { nkeyAuthenticator, jwtAuthenticator }: Authenticators<A>,
  files: LoginFiles = {},
): { authenticator?: A; tls?: { caFile: string } } {
  const login = fileLogin(files);
  const seed = (): Uint8Array => Buffer.from(login?.().seed ?? "");
  const authenticator =
    files.creds === undefined ? nkeyAuthenticator(seed) : jwtAuthenticator(() => login?.().jwt ?? "", seed);
  return {
    ...(login === undefined ? {} : { authenticator }),
    ...(files.ca === undefined ? {} : { tls: { caFile: files.ca } }),
  };
}

const refusal = /authorization violation|authentication (expired|revoked)/i;

/** Whether a server said that it does not know us; one that is slow to look says something else. */
export function isLoginRefusal(error: string): boolean {
  return refusal.test(error);
}
