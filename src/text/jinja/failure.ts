/**
 * What goes wrong inside a template, before the caller's error class is chosen.
 *
 * `kind` is the name Python's Jinja gives the same failure (`TemplateSyntaxError`, `UndefinedError`, `TypeError`), and the
 * message is worded as Jinja words it, because people search for that text. It never leaves the room bare:
 * `renderChat` turns it into an `InputError` or a `ConfigError`.
 */
export class TemplateFailure extends Error {
  readonly kind: FailureKind
  /** 1-based line of the template, where known. */
  readonly line: number | undefined

  constructor(kind: FailureKind, message: string, line?: number) {
    super(message)
    this.name = 'TemplateFailure'
    this.kind = kind
    this.line = line
  }
}

export type FailureKind =
  | 'TemplateSyntaxError' // the text is not a template
  | 'TemplateAssertionError' // an unknown filter or test
  | 'Unsupported' // legal Jinja that has no place in a chat template
  | 'TemplateError' // the template called raise_exception
  | 'UndefinedError'
  | 'SecurityError'
  | 'TemplateRuntimeError'
  | 'FilterArgumentError'
  | 'TypeError'
  | 'ValueError'
  | 'KeyError'
  | 'IndexError'
  | 'AttributeError'
  | 'AssertionError'
  | 'OverflowError'
  | 'ZeroDivisionError'
  | 'Limit' // ours: steps, size or depth

export function fail(kind: FailureKind, message: string, line?: number): never {
  throw new TemplateFailure(kind, message, line)
}
