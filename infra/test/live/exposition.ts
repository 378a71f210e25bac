// What processes export: names of metrics, and the labels that each has.
import { parser } from "@prometheus-io/lezer-promql";
import type { SyntaxNode } from "@lezer/common";

/** Labels by the name of the series, as they are told in query answers. */
export type Known = ReadonlyMap<string, ReadonlySet<string>>;

/** Reads the Prometheus text formats of several processes. A histogram is known by its series. */
export function readExposition(texts: readonly string[]): Map<string, Set<string>> {
  const known = new Map<string, Set<string>>();
  for (const line of texts.join("\n").split("\n")) {
    const [, name, text = ""] = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (name === undefined) continue;
    const labels = known.get(name) ?? new Set();
    for (const [, label = ""] of text.matchAll(/([a-zA-Z_]\w*)="(?:[^"\\]|\\.)*"/g)) labels.add(label);
    known.set(name, labels);
  }
  return known;
}

/** What an expression names that is not there: series, and labels of them, those it groups and joins by included. */
export function unknownIn(expr: string, known: Known): string[] {
  const problems = new Set<string>();
  const textOf = ({ from, to }: { from: number; to: number }) => expr.slice(from, to);
  parser.parse(expr).iterate({
    enter({ node, type }) {
      if (type.isError) problems.add(`cannot be parsed at ${node.from}: ${expr}`);
      if (node.name === "VectorSelector") {
        const name = nameOf(node, textOf);
        const labels = known.get(name);
        if (labels === undefined) problems.add(`no series ${name}`);
        for (const matcher of descendants(node, "LabelName"))
          if (labels !== undefined && !labels.has(textOf(matcher)))
            problems.add(`${name} has no label ${textOf(matcher)}`);
      }
      if (node.name === "GroupingLabels") {
        const whole = enclosing(node);
        const made = new Set(descendants(whole, "FunctionCall").flatMap((call) => labelMadeBy(call, textOf)));
        const selectors = descendants(whole, "VectorSelector").map((selector) => nameOf(selector, textOf));
        for (const label of descendants(node, "LabelName").map(textOf))
          for (const name of selectors)
            if (!made.has(label) && known.get(name)?.has(label) === false)
              problems.add(`${name} has no label ${label}`);
      }
    },
  });
  return [...problems];
}

type TextOf = (node: { from: number; to: number }) => string;

function nameOf(selector: SyntaxNode, textOf: TextOf): string {
  const name = selector.getChild("Identifier");
  return name === null ? "" : textOf(name);
}

/** The aggregation, or the operation of two sides, that the labels are of. */
function enclosing(labels: SyntaxNode): SyntaxNode {
  let node = labels;
  while (node.name !== "AggregateExpr" && node.name !== "BinaryExpr" && node.parent !== null)
    node = node.parent;
  return node;
}

/** The second argument of label_replace and label_join is a label that is there afterwards. */
function labelMadeBy(call: SyntaxNode, textOf: TextOf): string[] {
  const name = call.getChild("FunctionIdentifier");
  if (name === null || !/^label_(replace|join)$/.test(textOf(name))) return [];
  const [made] = call.getChild("FunctionCallBody")?.getChildren("StringLiteral") ?? [];
  return made === undefined ? [] : [textOf(made).slice(1, -1)];
}

function descendants(node: SyntaxNode, name: string): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  node.cursor().iterate((one) => {
    if (one.name === name) found.push(one.node);
  });
  return found;
}
