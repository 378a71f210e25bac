/** A handler's result as it goes into the ledger row. */
export type EncodedResult = { ok: true; value: unknown } | { ok: false; error: string };

/** Bytes of compact UTF-8 JSON a result may have. */
export const maxResultBytes = 8192;

const noResult: EncodedResult = { ok: true, value: null };

/** Checks that a result is JSON in every language and small enough; no result is `null`. */
export function encodeResult(result: unknown): EncodedResult {
  if (result === undefined || result === null) {
    return noResult;
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(result, refuseWhatIsNotJson);
  } catch {
    text = undefined;
  }
  if (text === undefined) {
    return { ok: false, error: "result is not JSON" };
  }
  const bytes = Buffer.byteLength(text);
  return bytes > maxResultBytes
    ? { ok: false, error: `result of ${bytes} bytes is over ${maxResultBytes}` }
    : { ok: true, value: JSON.parse(text) };
}

function refuseWhatIsNotJson(key: string, value: unknown): unknown {
  const isJson = !(
    typeof value === "function" ||
    typeof value === "symbol" ||
    (typeof value === "number" && !Number.isFinite(value)) ||
    (typeof value === "string" && !value.isWellFormed()) ||
    !key.isWellFormed()
  );
  if (!isJson) {
    throw new TypeError("not JSON");
  }
  return value;
}
