/** Why the demo stops before its end: somebody asked for it. */
export class Stopped extends Error {
  /** As shells have it: 128 and the signal's number. */
  readonly exitCode: number;

  constructor(signal: string, exitCode: number) {
    super(`stopped by ${signal}`);
    this.exitCode = exitCode;
  }
}

const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** The first signal stops in order, the second one at once. Disposing lets go of the signals. */
export function listenForSignals(stop: AbortController, killAll: () => void): Disposable {
  const listeners = Object.entries(codes).map(([signal, exitCode]) => {
    const listener = (): void => {
      if (stop.signal.aborted) {
        killAll();
        process.exit(exitCode);
      }
      stop.abort(new Stopped(signal, exitCode));
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  return {
    [Symbol.dispose]() {
      for (const { signal, listener } of listeners) process.off(signal, listener);
    },
  };
}
