// Who takes which subjects, to find an overlap without comparing everybody with everybody.

type Node = { next: Map<string, Node>; owners: Set<string> };

/** Subject filters by owner, as a tree of their tokens. */
export class FilterIndex {
  readonly #root: Node = { next: new Map(), owners: new Set() };
  readonly #filters = new Map<string, readonly string[]>();

  /** What an owner takes; nothing for one that is not known. */
  filtersOf(owner: string): readonly string[] {
    return this.#filters.get(owner) ?? [];
  }

  /** Sets what an owner takes, instead of what it took. */
  set(owner: string, filters: readonly string[]): void {
    this.delete(owner);
    this.#filters.set(owner, filters);
    for (const filter of filters) {
      let node = this.#root;
      for (const token of filter.split(".")) {
        const next: Node = node.next.get(token) ?? { next: new Map(), owners: new Set() };
        node.next.set(token, next);
        node = next;
      }
      node.owners.add(owner);
    }
  }

  /** Forgets an owner. */
  delete(owner: string): void {
    for (const filter of this.filtersOf(owner)) {
      let node: Node | undefined = this.#root;
      for (const token of filter.split(".")) node = node?.next.get(token);
      node?.owners.delete(owner);
    }
    this.#filters.delete(owner);
  }

  /** Whether an owner of another name has a filter that takes all that this one takes. */
  isCovered(filter: string): boolean {
    return isCoveredIn(this.#root, filter.split("."), filter);
  }

  /** Somebody who takes a subject that the filter takes too. */
  overlapping(filter: string): string | undefined {
    return find(this.#root, filter.split("."));
  }
}

/** What was asked last, and its answer: a thousand groups of one stream ask the same. */
const known = new Map<string, readonly string[]>();
const MOST_KNOWN = 8;

/** The filters without those that another one covers, each once, in a stable order. */
export function smallest(filters: readonly string[]): string[] {
  const unique = [...new Set(filters)].sort();
  const key = JSON.stringify(unique);
  const found = known.get(key) ?? smallestOf(unique);
  known.delete(key);
  known.set(key, found);
  for (const oldest of known.keys()) {
    if (known.size <= MOST_KNOWN) break;
    known.delete(oldest);
  }
  return [...found];
}

function smallestOf(unique: readonly string[]): string[] {
  const index = new FilterIndex();
  for (const filter of unique) index.set(filter, [filter]);
  return unique.filter((filter) => !index.isCovered(filter));
}

function find(node: Node, [token, ...rest]: readonly string[]): string | undefined {
  if (token === undefined) return first(node.owners);
  if (token === ">") return below(node);
  const all = node.next.get(">");
  const found = all === undefined ? undefined : first(all.owners);
  if (found !== undefined) return found;
  for (const [name, next] of token === "*" ? node.next : exact(node, token)) {
    const owner = name === ">" ? undefined : find(next, rest);
    if (owner !== undefined) return owner;
  }
  return undefined;
}

function isCoveredIn(node: Node, [token, ...rest]: readonly string[], name: string): boolean {
  const isOthers = (owners: ReadonlySet<string> = new Set()) => [...owners].some((owner) => owner !== name);
  if (token === undefined) return isOthers(node.owners);
  if (isOthers(node.next.get(">")?.owners)) return true;
  if (token === ">") return false;
  return [...new Set([token, "*"])].some((one) => {
    const next = node.next.get(one);
    return next !== undefined && isCoveredIn(next, rest, name);
  });
}

function exact(node: Node, token: string): [string, Node][] {
  return [...new Set([token, "*"])].flatMap((name): [string, Node][] => {
    const next = node.next.get(name);
    return next === undefined ? [] : [[name, next]];
  });
}

function below(node: Node): string | undefined {
  for (const next of node.next.values()) {
    const owner = first(next.owners) ?? below(next);
    if (owner !== undefined) return owner;
  }
  return undefined;
}

function first(owners: ReadonlySet<string>): string | undefined {
  return owners.values().next().value;
}
