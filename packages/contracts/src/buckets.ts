/** The buckets of Muster, by what they hold. The stream behind a bucket is `KV_<bucket>`. */
export const buckets = {
  groups: "MUSTER_GROUPS",
  contracts: "MUSTER_CONTRACTS",
  members: "MUSTER_MEMBERS",
  attempts: "MUSTER_ATTEMPTS",
  ledger: "MUSTER_LEDGER",
  replays: "MUSTER_REPLAYS",
  jobs: "MUSTER_JOBS",
  jobLetters: "MUSTER_JOB_LETTERS",
} as const;

/** How long a member's record lives without a heartbeat. */
export const MEMBER_TTL_MS = 15_000;

/** How long an attempts record is kept after its last write. */
export const ATTEMPTS_TTL_MS = 7 * 86_400_000;
