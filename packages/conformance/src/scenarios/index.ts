import type { Scenario } from "../scenario.ts";
import { admit } from "./admit.ts";
import { batch } from "./batch.ts";
import { breaking } from "./breaker.ts";
import { crash } from "./crash.ts";
import { deadLetter } from "./dead-letter.ts";
import { documents } from "./documents.ts";
import { eventId } from "./event-id.ts";
import { hold } from "./hold.ts";
import { http } from "./http.ts";
import { ledgerKv } from "./ledger-kv.ts";
import { ledgerNone } from "./ledger-none.ts";
import { ledgerPostgres } from "./ledger-postgres.ts";
import { life } from "./life.ts";
import { login } from "./login.ts";
import { loginFiles } from "./login-files.ts";
import { look } from "./look.ts";
import { membership } from "./membership.ts";
import { network } from "./network.ts";
import { parse } from "./parse.ts";
import { postgresEncoding } from "./postgres-encoding.ts";
import { postgresMoods } from "./postgres-moods.ts";
import { push } from "./push.ts";
import { queue } from "./queue.ts";
import { remade } from "./remade.ts";
import { replay } from "./replay.ts";
import { retry } from "./retry.ts";
import { run } from "./run.ts";
import { settings } from "./settings.ts";
import { settle } from "./settle.ts";
import { spec } from "./spec.ts";
import { trace } from "./trace.ts";
import { unreachable } from "./unreachable.ts";

/** All scenarios, in the order of the protocol document. */
export const scenarios: readonly Scenario[] = [
  ...settings,
  ...eventId,
  ...hold,
  ...look,
  ...ledgerKv,
  ...ledgerNone,
  ...ledgerPostgres,
  ...postgresEncoding,
  ...postgresMoods,
  ...admit,
  ...parse,
  ...run,
  ...settle,
  ...retry,
  ...crash,
  ...deadLetter,
  ...replay,
  ...unreachable,
  ...remade,
  ...batch,
  ...push,
  ...queue,
  ...membership,
  ...spec,
  ...life,
  ...login,
  ...loginFiles,
  ...breaking,
  ...network,
  ...documents,
  ...http,
  ...trace,
];
