import { join } from "node:path";
import { goMissing } from "./go.ts";
import { home, once, output, run, SetupError, say, which } from "./tools.ts";

const natsVersion = "v2.15.2";

/** True for 2.14.5 and later: earlier ones lose work-queue messages or lack what the protocol needs. */
export function isNatsUsable(version: string | undefined): boolean {
  const [, major = 0, minor = 0, patch = 0] = (/v?(\d+)\.(\d+)\.(\d+)/.exec(version ?? "") ?? []).map(Number);
  return major > 2 || (major === 2 && (minor > 14 || (minor === 14 && patch >= 5)));
}

/**
 * Finds nats-server: `NATS_URL` (then none is needed), the PATH, the cache, else builds it.
 * Returns undefined for an outside server.
 */
export function bringNats(): string | undefined {
  if (process.env["NATS_URL"]) return undefined;
  const own = join(home, "bin/nats-server");
  const found = which("nats-server");
  const version = found === undefined || found === own ? undefined : (output(found, "--version") ?? "broken");
  if (isNatsUsable(version)) return found;
  once("nats", natsVersion, [own], () => {
    if (goMissing() !== undefined) {
      const why =
        version === undefined ? "no nats-server" : `the nats-server on the PATH is too old (${version})`;
      throw new SetupError(
        `${why}, and no Go 1.26 to build one with: put nats-server 2.14.5 or later on the PATH, or install Go 1.26 or later, or name a running server in NATS_URL`,
      );
    }
    say(`building nats-server ${natsVersion} (go install, a minute or two)`);
    const module = `github.com/nats-io/nats-server/v2@${natsVersion}`;
    run("building nats-server", ["go", "install", module], {
      GOBIN: join(home, "bin"),
      CGO_ENABLED: "0",
      GOWORK: "off",
    });
  });
  return own;
}
