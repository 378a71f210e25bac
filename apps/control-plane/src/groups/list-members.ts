// Live members, a page at a time.
import { checkName, MemberRecord } from "@muster/contracts";
import { z } from "zod";
import type { Nats } from "../nats/connection.ts";
import { parsed } from "../parsed.ts";
import { readMembers } from "./members.ts";

/** Which members, and where the page begins. */
export const MembersQuery = z.strictObject({
  stream: z.string().optional().describe("Only this stream"),
  group: z.string().optional().describe("Of the stream that is given"),
  language: z.string().max(60).optional().describe("Of the member: ts, go, py"),
  state: MemberRecord.shape.state.optional(),
  degraded: z
    .boolean()
    .optional()
    .describe("Only those whose ledger, records or dead letters are out of reach; false: only the others"),
  cursor: z.string().max(200).optional().describe("The next_cursor of the page before, with the same filter"),
  limit: z.int().min(1).max(500).default(100).describe("At most so many on a page"),
});

/** Without `next_cursor` it is the last one. */
export const MembersPage = z
  .strictObject({
    items: z.array(
      z.strictObject({
        stream: z.string(),
        group: z.string(),
        member: parsed("Member", MemberRecord),
      }),
    ),
    total: z.int().describe("Members of the filter, on all pages"),
    next_cursor: z.string().optional(),
  })
  .meta({ id: "MembersPage" });
export type MembersPage = z.infer<typeof MembersPage>;

/** By stream, group and id; who joins or leaves meanwhile moves nobody to another page. */
export async function listMembers(nats: Nats, query: z.infer<typeof MembersQuery>): Promise<MembersPage> {
  const { stream, group, language, state, degraded, cursor = "", limit } = query;
  if (stream !== undefined) checkName("stream", stream);
  if (group !== undefined) checkName("group", group);
  const found: { key: string; stream: string; group: string; member: MemberRecord }[] = [];
  for (const [name, members] of await readMembers(nats)) {
    const [ofStream = "", ofGroup = ""] = name.split(".");
    if ((stream ?? ofStream) !== ofStream || (group ?? ofGroup) !== ofGroup) continue;
    for (const member of members)
      if (
        (language ?? member.language) === member.language &&
        (state ?? member.state) === member.state &&
        (degraded ?? member.degraded) === member.degraded
      )
        found.push({ key: `${name}.${member.id}`, stream: ofStream, group: ofGroup, member });
  }
  found.sort((a, b) => (a.key < b.key ? -1 : 1));
  const rest = found.filter(({ key }) => key > cursor);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map((item) => ({ stream: item.stream, group: item.group, member: item.member })),
    total: found.length,
    ...(rest.length > page.length && last !== undefined ? { next_cursor: last.key } : {}),
  };
}
