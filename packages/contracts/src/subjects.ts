/** Everything of ours on the wire is under this root. */
const ROOT = "muster";

/** Where a dead letter goes to be worked on again, by the group that failed it and no other. */
export function replaySubject(stream: string, group: string, original: string): string {
  return `${ROOT}.replay.${stream}.${group}.${original}`;
}

/** What the consumer of a group filters to get its replays. */
export function replayFilter(stream: string, group: string): string {
  return replaySubject(stream, group, ">");
}

/** Where the server pushes the messages of a push group; its members share them as a queue group. */
export function pushSubject(stream: string, group: string): string {
  return `${ROOT}.push.${stream}.${group}`;
}

/** The subject as its publisher knew it: without the group's own replay prefix, once. */
export function stripReplayPrefix(stream: string, group: string, subject: string): string {
  const prefix = replaySubject(stream, group, "");
  return subject.startsWith(prefix) ? subject.slice(prefix.length) : subject;
}

/** Where a dead letter is published: few subjects, so that counts are one stream info. */
export function dlqSubject(stream: string, group: string, reason: string): string {
  return `${ROOT}.dlq.${stream}.${group}.${reason}`;
}

/** The dead letters of a stream, or of one of its groups. */
export function dlqFilter(stream: string, group?: string): string {
  return group === undefined ? `${ROOT}.dlq.${stream}.>` : `${ROOT}.dlq.${stream}.${group}.>`;
}

/** The stream that keeps the dead letters of `stream`. */
export function dlqStream(stream: string): string {
  return `${stream}_DLQ`;
}

/** Where a discarded dead letter is kept. */
export function archiveSubject(stream: string, group: string, reason: string): string {
  return `${ROOT}.archive.${stream}.${group}.${reason}`;
}

/** The archive of a stream, or of one of its groups. */
export function archiveFilter(stream: string, group?: string): string {
  return group === undefined ? `${ROOT}.archive.${stream}.>` : `${ROOT}.archive.${stream}.${group}.>`;
}

/** Where a member listens for a command of the control plane, such as `drain`. */
export function memberSubject(stream: string, group: string, member: string, command: string): string {
  return `${ROOT}.member.${stream}.${group}.${member}.${command}`;
}
