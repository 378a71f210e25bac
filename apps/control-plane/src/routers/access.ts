import { z } from "zod";
import { AuditPage, listAudit } from "../access/audit.ts";
import { roles } from "../access/roles.ts";
import { CreatedToken, createToken, listTokens, RevokedToken, revokeToken, Token } from "../access/tokens.ts";
import { fail } from "../errors.ts";
import { admin, operator, router } from "../trpc.ts";

const DAY_MS = 86_400_000;

/** Tokens: make one, see all, end one. */
export const tokens = router({
  create: admin
    .input(
      z.strictObject({
        name: z.string().min(1).max(100).describe("Whose it is"),
        role: z.enum(roles).describe("What it may: look, steer, or make and delete"),
        expires_in_days: z.number().positive().max(3650).optional().describe("Without it, it never expires"),
      }),
    )
    .output(CreatedToken)
    .mutation(async ({ ctx, input: { name, role, expires_in_days: days } }) => {
      const expiresAt = days === undefined ? undefined : new Date(Date.now() + days * DAY_MS).toISOString();
      const made = await createToken(ctx.nats.current(), { name, role, expiresAt });
      if (made === undefined) throw fail("changed_meanwhile", "another token got this id; make it again");
      return { ...made, name, role, ...(expiresAt === undefined ? {} : { expires_at: expiresAt }) };
    }),

  list: admin.output(z.array(Token)).query(({ ctx }) => listTokens(ctx.nats.current())),

  revoke: admin
    .input(z.strictObject({ id: z.string() }))
    .output(RevokedToken)
    .mutation(({ ctx, input }) => revokeToken(ctx.nats.current(), input.id)),
});

/** The audit: who did what, and who was not let. */
export const audit = router({
  list: operator
    .input(
      z.strictObject({
        limit: z.int().min(1).max(500).default(50).describe("At most so many rows"),
        cursor: z.int().min(1).optional().describe("Rows older than this one"),
        action: z.string().max(100).optional().describe("A procedure, for example groups.apply"),
        actor: z.string().max(100).optional().describe("The id of a token"),
      }),
    )
    .output(AuditPage)
    .query(({ ctx, input }) => listAudit(ctx.nats.current(), input)),
});
