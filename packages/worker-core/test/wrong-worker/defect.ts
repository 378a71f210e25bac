/** Asked at the very place where a defect goes wrong, and only where that makes a difference. */
export interface Strike {
  /** True: go wrong here. False in a trace, which only notes that the place was reached. */
  (): boolean;
  /** Whether the defect is the one that was chosen. */
  readonly isOn: boolean;
}

/** Builds one mistake into the core, by wrapping methods of its classes. */
export type Defect = (strike: Strike) => void;

type Args<F> = F extends (...args: infer A) => unknown ? A : never;
type Result<F> = F extends (...args: never[]) => infer R ? R : never;

/** Wraps a method of a class: `call` gets the object, the arguments, and the method as it was. */
export function around<T, K extends keyof T>(
  of: { prototype: T },
  name: K,
  call: (self: T, args: Args<T[K]>, go: (...args: Args<T[K]>) => Result<T[K]>) => Result<T[K]>,
): void {
  const original = of.prototype[name] as (this: T, ...args: Args<T[K]>) => Result<T[K]>;
  of.prototype[name] = function wrapped(this: T, ...args: Args<T[K]>) {
    return call(this, args, (...own) => original.apply(this, own));
  } as T[K];
}

/** Wraps a getter of a class: `get` gets the object and what the getter says. */
export function aroundGet<T extends object, K extends keyof T & string>(
  of: { prototype: T },
  name: K,
  get: (self: T, value: T[K]) => T[K],
): void {
  const descriptor = Object.getOwnPropertyDescriptor(of.prototype, name);
  if (descriptor?.get === undefined) throw new Error(`no getter ${name}`);
  Object.defineProperty(of.prototype, name, {
    configurable: true,
    get(this: T): T[K] {
      return get(this, descriptor.get?.call(this) as T[K]);
    },
  });
}
