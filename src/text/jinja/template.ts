/**
 * A template, parsed once and rendered many times: the one door of this folder.
 *
 *   parseTemplate(source) → Template        renderTemplate(template, variables) → { text, generationSpans }
 *
 * The dialect is Jinja 3.1.6 in an immutable sandbox as transformers sets it up for chat templates, with Python's
 * semantics. Source: `transformers/utils/chat_template_utils.py` (5.23.0) and the behaviour of Jinja 3.1.6.
 */
import { ConfigError, InputError } from '../../core/errors.ts'
import type { Body } from './ast.ts'
import { TemplateFailure, type FailureKind } from './failure.ts'
import { interpret, type Rendering } from './interpreter.ts'
import { DEFAULT_LIMITS, type TemplateLimits } from './limits.ts'
import { parse } from './parser.ts'
import { fromHost, type Value } from './values.ts'

export interface Template {
  readonly source: string
  readonly body: Body
}

/** Longer than any chat template by far; parsing is linear, but the text comes from the hub. */
const MAX_SOURCE_LENGTH = 1 << 20

export function parseTemplate(source: string): Template {
  if (source.length > MAX_SOURCE_LENGTH) {
    throw new ConfigError(
      'CONFIG_TEMPLATE_LIMIT',
      `chat template: expected at most ${MAX_SOURCE_LENGTH} characters, ${source.length} came; give the model's own template.`,
    )
  }
  return guarded(() => ({ source, body: parse(source) }))
}

export interface RenderOptions {
  readonly now?: () => Date
  readonly limits?: Partial<TemplateLimits>
}

/**
 * Renders with plain JSON-like variables, which are copied and never changed.
 *
 * Throws ConfigError where the template itself is at fault (syntax, unsupported parts, limits), InputError where it
 * refuses or cannot handle what it was given; `cause.kind` is Python's name of the failure.
 */
export function renderTemplate(
  template: Template,
  variables: Readonly<Record<string, unknown>>,
  options: RenderOptions = {},
): Rendering {
  const values = new Map<string, Value>()
  for (const [name, value] of Object.entries(variables)) {
    if (value !== undefined) values.set(name, fromHost(value))
  }
  return guarded(() =>
    interpret(template.body, {
      variables: values,
      now: options.now ?? (() => new Date()),
      limits: { ...DEFAULT_LIMITS, ...options.limits },
    }),
  )
}

function guarded<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof TemplateFailure) throw publicError(error)
    // The depth bound leaves room on an ordinary stack; a caller deep in its own may have less.
    if (error instanceof RangeError && /call stack/.test(error.message)) {
      throw publicError(new TemplateFailure('Limit', 'it nests deeper than the stack reaches'))
    }
    throw error
  }
}

const CONFIG_CODES: Partial<Record<FailureKind, string>> = {
  TemplateSyntaxError: 'CONFIG_TEMPLATE_SYNTAX',
  TemplateAssertionError: 'CONFIG_TEMPLATE_SYNTAX',
  Unsupported: 'CONFIG_TEMPLATE_UNSUPPORTED',
  SecurityError: 'CONFIG_TEMPLATE_UNSAFE',
  Limit: 'CONFIG_TEMPLATE_LIMIT',
}

function publicError(failure: TemplateFailure): ConfigError | InputError {
  const place = failure.line === undefined ? '' : `, line ${failure.line}`
  const options = { cause: failure }
  const configCode = CONFIG_CODES[failure.kind]
  if (configCode !== undefined) {
    const isLimit = failure.kind === 'Limit'
    const expected = isLimit ? 'to stay within its limits' : 'a Jinja template'
    const less = isLimit ? 'send fewer or shorter messages and parts, or ' : ''
    return new ConfigError(
      configCode,
      `chat template${place}: expected ${expected}, but ${failure.message}; ${less}correct the template or give another.`,
      options,
    )
  }
  if (failure.kind === 'TemplateError') {
    return new InputError(
      'INPUT_TEMPLATE_REFUSED',
      `chat template${place}: it refuses these messages: ${failure.message}; change the messages accordingly.`,
      options,
    )
  }
  return new InputError(
    'INPUT_TEMPLATE_FAILED',
    `chat template${place}: it cannot render these messages: ${failure.kind}: ${failure.message}; does a message lack a field?`,
    options,
  )
}
