export { type Group, type GroupOptions, openGroup } from "./group.ts";
export { joinWorker, testLanguages } from "./member.ts";
export { type Message, order, publish } from "./publish.ts";
export { provision } from "./provision.ts";
