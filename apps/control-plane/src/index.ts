export type { MemberEvent } from "./groups/events.ts";
export type { AppRouter } from "./router.ts";
