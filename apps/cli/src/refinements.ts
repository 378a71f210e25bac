// What commands have beyond their procedures, put together; and what they are about.
import { access } from "./commands/access.ts";
import { dlq } from "./commands/dlq.ts";
import { doctor } from "./commands/doctor.ts";
import { groups } from "./commands/groups.ts";
import { jobs } from "./commands/jobs.ts";
import { members } from "./commands/members.ts";
import { orders } from "./commands/orders.ts";
import { steering } from "./commands/steer.ts";
import { verify } from "./commands/verify.ts";
import type { Refinements } from "./refinement.ts";

/** By procedure. */
export const refinements: Refinements = {
  ...groups,
  ...steering,
  ...members,
  ...orders,
  ...dlq,
  ...jobs,
  ...doctor,
  ...verify,
  ...access,
};

/** The words that stand before commands, in the order of the help. */
export const topics: Readonly<Record<string, string>> = {
  groups: "make groups and look at them",
  members: "look at members, steer one, watch all",
  orders: "publish order events, see what became of them",
  dlq: "look at dead letters, put them back to work",
  jobs: "replay many dead letters in the background, by whichever control plane lives",
  tokens: "who may call the control plane",
};
