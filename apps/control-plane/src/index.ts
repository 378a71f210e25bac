export type { MemberEvent } from "./groups/events.ts";
export type { Listed as ListedProcedure } from "./rest/procedure-list.ts";
export type { AppRouter, ProcedurePath } from "./router.ts";
