import { type LoginFiles, loginOptions as optionsOf } from "@muster/contracts";
import { type ConnectionOptions, jwtAuthenticator, nkeyAuthenticator } from "@nats-io/nats-core";

/** What a client connects with by the files of NATS_CREDS, NATS_NKEY and NATS_CA. */
export function loginOptions(files: LoginFiles): Partial<ConnectionOptions> {
  return optionsOf({ nkeyAuthenticator, jwtAuthenticator }, files);
}
