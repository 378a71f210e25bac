import { fileLogin, type LoginFiles } from "@muster/contracts";
import { type ConnectionOptions, jwtAuthenticator, nkeyAuthenticator } from "@nats-io/nats-core";

/** What a client connects with by the files of NATS_CREDS, NATS_NKEY and NATS_CA. */
export function loginOptions(files: LoginFiles): Partial<ConnectionOptions> {
  const login = fileLogin(files);
  const seed = (): Uint8Array => Buffer.from(login?.().seed ?? "");
  const authenticator =
    files.creds === undefined ? nkeyAuthenticator(seed) : jwtAuthenticator(() => login?.().jwt ?? "", seed);
  return {
    ...(login === undefined ? {} : { authenticator }),
    ...(files.ca === undefined ? {} : { tls: { caFile: files.ca } }),
  };
}
