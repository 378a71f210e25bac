import { describe, expect, it } from "vitest";
import { Progress, type Snapshot } from "../src/demo/progress.ts";

const snapshot: Snapshot = {
  members: [
    { id: "demo-go-1", language: "go", state: "running", inFlight: 10 },
    { id: "demo-ts-1", language: "ts", state: "killed", inFlight: 0 },
  ],
  published: 100,
  ready: 40,
  inFlight: 10,
  backingOff: 5,
  done: 42,
  retried: 7,
  dead: 3,
};

function play(isTTY: boolean, show: (progress: Progress, tick: (ms: number) => void) => void): string {
  let text = "";
  let now = 0;
  const out = { isTTY, columns: 200, write: (some: string) => (text += some) };
  const progress = new Progress(out, () => now);
  show(progress, (ms) => (now += ms));
  return text;
}

describe("the progress of the demo", () => {
  it("is a line per second where there is no terminal", () => {
    const text = play(false, (progress, tick) => {
      for (let i = 0; i < 25; i++) {
        progress.show(snapshot);
        tick(100);
      }
    });
    expect(text.trimEnd().split("\n")).toHaveLength(3);
    expect(text).toContain(
      "published 100, ready 40, in flight 10, backing off 5, done 42, retried 7, dead 3 | demo-go-1 10, demo-ts-1 killed\n",
    );
    expect(text).not.toContain("\x1b");
  });

  it("is redrawn in place on a terminal, and what is said stays above it", () => {
    const text = play(true, (progress) => {
      progress.show(snapshot);
      progress.say("killed");
      progress.show(snapshot);
      progress.show(snapshot);
    });
    expect(screenOf(text)).toEqual([
      "killed",
      ...screenOf(play(true, (progress) => progress.show(snapshot))),
    ]);
  });

  it("fits the width of the terminal, because a wrapped line could not be erased", () => {
    let text = "";
    const progress = new Progress({ isTTY: true, columns: 30, write: (some: string) => (text += some) });
    progress.show(snapshot);
    for (const line of screenOf(text)) expect(line.length).toBeLessThan(30);
  });
});

/** What a terminal shows that knows "up n lines and erase below". */
function screenOf(text: string): string[] {
  const lines: string[] = [];
  // oxlint-disable-next-line no-control-regex
  for (const part of text.split(/(\x1b\[\d+A\x1b\[J|\n)/)) {
    // oxlint-disable-next-line no-control-regex
    const up = /^\x1b\[(\d+)A/.exec(part)?.[1];
    if (up !== undefined) lines.splice(lines.length - Number(up));
    else if (part !== "" && part !== "\n") lines.push(part);
  }
  return lines;
}
