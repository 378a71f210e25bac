// Stand-ins for the base images where no registry is: made of Debian's packages and of this machine's own
// programs, under the names that the Dockerfiles use, with the same paths, users and entry points.
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findNatsServer } from "@muster/testkit";
import { mirror, release, unpackNewer } from "./apt.ts";
import type { Base } from "./bases.ts";
import { attempt, run, which } from "./run.ts";

const debian = "muster-stand-in-debian";
const ca = "/etc/ssl/certs/ca-certificates.crt";

/** Fills the folder of a build with what the Dockerfile, which it gives, copies. */
type StandIn = (folder: string) => Promise<string>;

const standIns: Readonly<Record<string, StandIn>> = {
  node,
  golang,
  python,
  nats,
  postgres,
  "prom/prometheus": prometheus,
};

/** Makes a stand-in for each base image that there can be one for; gives the names of the others. */
export async function makeStandIns(bases: readonly Base[], env: Record<string, string>): Promise<string[]> {
  const there = async (image: string): Promise<boolean> =>
    (await attempt(["docker", "image", "inspect", image], { env })).code === 0;
  if (!(await there(debian))) await makeDebian(env);
  const without: string[] = [];
  for (const { name, tag } of bases) {
    const make = standIns[name];
    if (make === undefined) without.push(name);
    else if (!(await there(`${name}:${tag}`))) await build(`${name}:${tag}`, make, env);
  }
  return without;
}

async function build(image: string, make: StandIn, env: Record<string, string>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "muster-stand-in-"));
  try {
    await writeFile(join(folder, "Dockerfile"), await make(folder));
    // The builder that every client has: BuildKit's may be a plugin that is missing.
    await run(["docker", "build", "--tag", image, folder], { env: { ...env, DOCKER_BUILDKIT: "0" } });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Debian as small as it comes, with the authorities and registries that this machine trusts. */
async function makeDebian(env: Record<string, string>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "muster-debian-"));
  try {
    const root = join(folder, "root");
    await run([
      "debootstrap",
      "--variant=minbase",
      "--include=ca-certificates",
      release,
      root,
      await mirror(),
    ]);
    if (existsSync(ca)) await cp(ca, join(root, ca));
    await rm(join(root, "var/cache/apt/archives"), { recursive: true });
    const settings = Object.entries({ ...(await registries()), ...authorities });
    const changes = settings.flatMap(([name, value]) => ["--change", `ENV ${name}="${value}"`]);
    const tar = join(folder, "root.tar");
    await run(["tar", "--create", "--file", tar, "--directory", root, "."]);
    await run(["docker", "import", ...changes, tar, debian], { env });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const authorities = { NODE_EXTRA_CA_CERTS: ca, SSL_CERT_FILE: ca, PIP_CERT: ca };

/** Where this machine fetches packages from. */
async function registries(): Promise<Record<string, string>> {
  const asked = {
    npm_config_registry: ["npm", "config", "get", "registry"],
    PIP_INDEX_URL: ["python3", "-m", "pip", "config", "get", "global.index-url"],
    GOPROXY: ["go", "env", "GOPROXY"],
    GOSUMDB: ["go", "env", "GOSUMDB"],
  };
  const found: Record<string, string> = {};
  for (const [name, argv] of Object.entries(asked)) {
    const { code, out } = await attempt(argv);
    const value = process.env[name] ?? (code === 0 ? out.trim() : "");
    if (value !== "") found[name] = value;
  }
  if (found["PIP_INDEX_URL"] !== undefined) found["UV_DEFAULT_INDEX"] = found["PIP_INDEX_URL"];
  return found;
}

async function node(folder: string): Promise<string> {
  await cp(process.execPath, join(folder, "node"));
  // npm is its own file bin/npm-cli.js, linked from the PATH.
  const npm = dirname(dirname(await realpath(which("npm") ?? "npm")));
  await cp(npm, join(folder, "npm"), { recursive: true });
  return `FROM ${debian}
COPY node /usr/local/bin/
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && useradd --uid 1000 --create-home node
CMD ["node"]
`;
}

async function golang(folder: string): Promise<string> {
  const root = (await run(["go", "env", "GOROOT"])).trim();
  await cp(root, join(folder, "go"), { recursive: true, filter: (file) => file !== join(root, "test") });
  return `FROM ${debian}
COPY go /usr/local/go
ENV PATH=/go/bin:/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin GOPATH=/go GOTOOLCHAIN=local
CMD ["bash"]
`;
}

async function python(): Promise<string> {
  return `FROM ${debian}
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv python3-pip \\
  && rm /usr/lib/python3*/EXTERNALLY-MANAGED && ln -s /usr/bin/python3 /usr/local/bin/python \\
  && ln -s /usr/bin/python3 /usr/local/bin/python3
CMD ["python3"]
`;
}

// As on Alpine, wget is busybox's.
const wget =
  "apt-get update && apt-get install -y --no-install-recommends busybox && ln -s /bin/busybox /usr/bin/wget";

async function nats(folder: string): Promise<string> {
  await cp(findNatsServer(), join(folder, "nats-server"));
  return `FROM ${debian}
RUN ${wget}
COPY nats-server /usr/local/bin/
CMD ["nats-server"]
`;
}

async function postgres(folder: string): Promise<string> {
  await writeFile(join(folder, "docker-entrypoint.sh"), postgresEntry, { mode: 0o755 });
  return `FROM ${debian}
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid 999 --home-dir /var/lib/postgresql postgres \\
  && mkdir /etc/postgresql-common && echo create_main_cluster=false > /etc/postgresql-common/createcluster.conf \\
  && apt-get update && apt-get install -y --no-install-recommends postgresql \\
  && mkdir -p /var/lib/postgresql/data && chown postgres:postgres /var/lib/postgresql/data
COPY docker-entrypoint.sh /usr/local/bin/
ENV PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres", "-c", "listen_addresses=*"]
`;
}

// What the real one does with the variables that the compose file sets.
const postgresEntry = `#!/bin/sh
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --locale=C.UTF-8 --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait --options="-c listen_addresses=" start
  createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl --wait --mode=fast stop
fi
exec "$@"
`;

async function prometheus(folder: string): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), "muster-prometheus-"));
  try {
    const unpacked = await unpackNewer(["prometheus"], scratch);
    await cp(join(unpacked, "usr/bin/prometheus"), join(folder, "prometheus"));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  await mkdir(join(folder, "data"));
  return `FROM ${debian}
RUN ${wget}
COPY prometheus /bin/
COPY --chown=65534:65534 data /prometheus
USER 65534:65534
WORKDIR /prometheus
VOLUME /prometheus
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
`;
}
