/**
 * The five kinds of failure a user can meet, and nothing else.
 *
 * A message reads `where: what was expected, what came; what to do.` Each error also carries a stable `code`
 * (`INPUT_IMAGE_TOO_LARGE`) that programs can test for; the code begins with the class's prefix. Anything that is
 * not one of these is our own bug, and its message begins with `internal:`.
 */

/** What every error of this library has in common; never thrown itself. */
export abstract class LlavaError extends Error {
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** A model, recipe or server configuration that cannot be used. Codes begin with `CONFIG_`. */
export class ConfigError extends LlavaError {}

/** Tensors or graph values whose shapes or dtypes do not fit. Codes begin with `SHAPE_`. */
export class ShapeError extends LlavaError {}

/** A checkpoint, tokenizer or cache file that is missing, damaged or does not match. Codes begin with `CHECKPOINT_`. */
export class CheckpointError extends LlavaError {}

/** Something the caller gave: a picture, a prompt, an option. HTTP 400 or 413. Codes begin with `INPUT_`. */
export class InputError extends LlavaError {
  /** Private, so that who prints an error does not print a film. */
  readonly #medium: unknown
  constructor(
    code: string,
    message: string,
    options?: ErrorOptions & { readonly medium?: unknown },
  ) {
    super(code, message, options)
    this.#medium = options?.medium
  }

  /** The picture or clip that it is about, as the caller gave it; undefined where it is about something else. */
  get medium(): unknown {
    return this.#medium
  }
}

/** Not enough memory, context, queue or rate budget. HTTP 503, or 429 for a key's limits. Codes begin with `CAPACITY_`. */
export class CapacityError extends LlavaError {
  /** When it may be worth another try; null: nobody knows. */
  readonly retryAfterSeconds: number | null
  constructor(
    code: string,
    message: string,
    options?: ErrorOptions & { readonly retryAfterSeconds?: number | null },
  ) {
    super(code, message, options)
    this.retryAfterSeconds = options?.retryAfterSeconds ?? null
  }
}
