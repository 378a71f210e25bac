import type { Defect } from "../defect.ts";
import { attempts } from "./attempts.ts";
import { deadLetters } from "./dead-letters.ts";
import { hold } from "./hold.ts";
import { ledger } from "./ledger.ts";
import { membership } from "./membership.ts";
import { messages } from "./messages.ts";
import { order } from "./order.ts";
import { spec } from "./spec.ts";

/** All defects by name. */
export const defects: Readonly<Record<string, Defect>> = {
  ...membership,
  ...order,
  ...attempts,
  ...deadLetters,
  ...ledger,
  ...hold,
  ...spec,
  ...messages,
};
