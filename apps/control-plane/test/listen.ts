// A listener to server-sent events, as curl would be one.
import { waitFor } from "@muster/testkit";
import type { MemberEvent } from "../src/groups/events.ts";

/** The events of a stream of server-sent events, as they come. */
export function listen(url: string, headers: Record<string, string> = {}) {
  const stop = new AbortController();
  const events: MemberEvent[] = [];
  let opened: Response | undefined;
  const ended = (async () => {
    const response = await fetch(url, {
      headers: { accept: "text/event-stream", ...headers },
      signal: stop.signal,
    });
    opened = response;
    if (!(response.headers.get("content-type") ?? "").includes("text/event-stream"))
      throw new Error(`no events: ${response.status} ${await response.text()}`);
    let text = "";
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined && !/^event: /m.test(block)) events.push(JSON.parse(data) as MemberEvent);
      }
    }
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  const seen = (event: string, member: string) =>
    waitFor(`${member} ${event}`, () => events.find((one) => one.event === event && one.member === member), {
      everyMs: 10,
    });
  return { events, seen, ended, isOpen: () => opened !== undefined, [Symbol.dispose]: () => stop.abort() };
}
