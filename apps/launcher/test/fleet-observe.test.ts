import { describe, expect, it } from "vitest";
import { countLogs, type LogLine, logDifferences } from "../src/fleet/logs.ts";
import { metricDifferences, readMetrics, sumMetrics } from "../src/fleet/metrics.ts";

const line = (language: string, fields: Record<string, unknown>): LogLine => {
  const common = { time: "t", level: "info", stream: "S", group: "g", member: `${language}-1`, language };
  return { seat: `${language}-1`, run: 1, fields: { ...common, msg: "settled", ...fields } };
};

const text = (language: string, more = "") => `# HELP muster_held Messages in hand.
# TYPE muster_held gauge
muster_held{stream="S",group="g",member="${language}-1",language="${language}"} 4
# TYPE muster_deliveries_total counter
muster_deliveries_total{outcome="done",member="${language}-1",language="${language}"} 12
muster_deliveries_total{outcome="dead",member="${language}-1",language="${language}"} 1
process_of_${language}_seconds 7
${more}`;

describe("logs of several languages", () => {
  it("are counted by one expression", () => {
    const lines = [
      line("ts", { outcome: "done" }),
      line("go", { outcome: "done" }),
      line("go", { outcome: "done" }),
      line("go", { outcome: "retry" }),
    ];
    expect(countLogs(lines, { msg: "settled", outcome: "done" }, "language")).toEqual({ ts: 1, go: 2 });
  });

  it("do not differ because one language had more to say", () => {
    const lines = [line("ts", { seq: 1 }), line("go", { seq: 2 }), line("go", { msg: "left" })];
    expect(logDifferences(lines)).toEqual([]);
  });

  it("differ where a field is missing, has another name or another type", () => {
    expect(logDifferences([line("ts", { seq: 1 }), line("go", { sequence: 1 })])).toEqual([
      '"settled" has no seq: number in go',
      '"settled" has no sequence: number in ts',
    ]);
    expect(logDifferences([line("ts", { seq: 1 }), line("py", { seq: "1" })])).toHaveLength(2);
    expect(logDifferences([line("ts", { group: undefined })])[0]).toContain(
      "a line of ts-1 has no text group",
    );
  });
});

describe("metrics of several languages", () => {
  const scrapes = [readMetrics("ts", text("ts")), readMetrics("go", text("go"))];

  it("are summed by one expression", () => {
    const done = { name: "muster_deliveries_total", labels: { outcome: "done" }, by: "language" };
    expect(sumMetrics(scrapes, done)).toEqual({ ts: 12, go: 12 });
    expect(sumMetrics(scrapes, { name: "muster_deliveries_total", by: "outcome" })).toEqual({
      done: 24,
      dead: 2,
    });
  });

  it("do not differ by whose they are, nor by what a library tells beside", () => {
    expect(metricDifferences(scrapes)).toEqual([]);
  });

  it("differ by a name, a label, a value of a label or a type", () => {
    const differences = (more: string): string[] =>
      metricDifferences([readMetrics("ts", text("ts")), readMetrics("go", text("go", more))]);
    expect(differences("muster_more 1")).toEqual(["ts has no muster_more{}"]);
    expect(differences('muster_held{shard="1"} 1')).toEqual(['ts has no muster_held{shard="1"}']);
    expect(differences('muster_deliveries_total{outcome="odd",member="m",language="go"} 1')).toHaveLength(1);
    expect(differences("# TYPE muster_held counter")).toEqual([
      "ts has no counter muster_held",
      "go has no gauge muster_held",
    ]);
  });
});
