export { type Cluster, type ClusterOptions, startCluster } from "./cluster.ts";
export { checkoutRoot, findNatsServer } from "./find.ts";
export { loginOptions } from "./login.ts";
export { makeOperator, type Operator } from "./operator.ts";
export { freePort } from "./port.ts";
export { type NatsOptions, type NatsServer, startNats } from "./nats.ts";
export { type PostgresOptions, type PostgresServer, startPostgres } from "./postgres.ts";
export { findPostgres, postgresMissing } from "./postgres-find.ts";
export { type Proc, type ProcOptions, startProcess } from "./process.ts";
export { alive, childrenOf, statOf } from "./process-table.ts";
export { pidsOfGroup, stopProcess, untilStopped } from "./stopped.ts";
export { waitFor } from "./wait.ts";
export {
  controlPlaneCommand,
  type Language,
  languages,
  type WorkerCommand,
  workerCommand,
} from "./workers.ts";
