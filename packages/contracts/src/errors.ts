/** The one error of Muster: branch on `code`, never on the text. */
export class MusterError extends Error {
  override readonly name = "MusterError";
  /** Stable, snake_case: `bad_name`, `bad_schema`, … */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
