/**
 * Cutting a text at the matches of a pattern, and what becomes of the matches.
 *
 * Source: huggingface/tokenizers, src/tokenizer/normalizer.rs, NormalizedString::split (0.23).
 */
import { InputError } from '../core/errors.ts'
import type { TextPattern } from './pattern-tree.ts'
import { damaged } from './tokenizer-fields.ts'

const BEHAVIORS = [
  'Removed',
  'Isolated',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
] as const
export type Behavior = (typeof BEHAVIORS)[number]

export function asBehavior(value: unknown, where: string): Behavior {
  const behavior = BEHAVIORS.find((known) => known === value)
  if (!behavior) throw damaged(where, BEHAVIORS.join(', '), value)
  return behavior
}

/** The pieces of `text`, none of them empty; `invert` swaps matches and the stretches between them. */
export function splitText(
  text: string,
  pattern: string | TextPattern,
  behavior: Behavior,
  invert: boolean,
): string[] {
  // The usual case needs no spans; a pattern that matches everything leaves nothing between the matches.
  if (behavior === 'Isolated') return isolate(text, pattern)
  const spans = findSpans(text, pattern, invert)
  return JOINS[behavior](spans)
    .map(({ start, end }) => text.slice(start, end))
    .filter((piece) => piece !== '')
}

function isolate(text: string, pattern: string | TextPattern): string[] {
  const pieces: string[] = []
  let end = 0
  forEachMatch(text, pattern, (from, to) => {
    if (from > end) pieces.push(text.slice(end, from))
    if (to > from) pieces.push(text.slice(from, to))
    end = to
  })
  if (end < text.length) pieces.push(end === 0 ? text : text.slice(end))
  return pieces
}

type Span = { start: number; end: number; isMatch: boolean }

function findSpans(text: string, pattern: string | TextPattern, invert: boolean): Span[] {
  const spans: Span[] = []
  let end = 0
  forEachMatch(text, pattern, (from, to) => {
    if (from > end) spans.push({ start: end, end: from, isMatch: invert })
    spans.push({ start: from, end: to, isMatch: !invert })
    end = to
  })
  if (end < text.length) spans.push({ start: end, end: text.length, isMatch: invert })
  return spans
}

/** Calls `visit` with where each match begins and ends. */
export function forEachMatch(
  text: string,
  pattern: string | TextPattern,
  visit: (start: number, end: number) => void,
): void {
  if (typeof pattern === 'string') {
    for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + pattern.length)) {
      visit(at, at + pattern.length)
    }
    return
  }
  pattern.lastIndex = 0
  for (let found = match(pattern, text); found; found = match(pattern, text)) {
    const start = found.index
    visit(start, start + found[0].length)
    if (found[0] === '') pattern.lastIndex += (text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1
  }
}

/** A run of millions of characters that one repetition takes exhausts the stack of the engine. */
function match(pattern: TextPattern, text: string): ReturnType<TextPattern['exec']> {
  try {
    return pattern.exec(text)
  } catch (cause) {
    if (!(cause instanceof RangeError) && !(cause instanceof SyntaxError)) throw cause
    throw new InputError(
      'INPUT_TEXT_TOO_LONG',
      `tokenizer: a run of characters from position ${pattern.lastIndex} of ${text.length} is too long to be cut into words; shorten the text.`,
      { cause },
    )
  }
}

/** Spans lie end to end, so joining two is taking the outer borders. */
const JOINS: { readonly [B in Exclude<Behavior, 'Isolated'>]: (spans: Span[]) => Span[] } = {
  Removed: (spans) => spans.filter((span) => !span.isMatch),
  Contiguous: (spans) => join(spans, (span, before) => span.isMatch === before.isMatch),
  MergedWithPrevious: (spans) => join(spans, (span, before) => span.isMatch && !before.isMatch),
  MergedWithNext: (spans) => join(spans, (span, before) => before.isMatch && !span.isMatch),
}

function join(spans: Span[], joins: (span: Span, before: Span) => boolean): Span[] {
  const result: Span[] = []
  let before: Span | undefined
  for (const span of spans) {
    const last = result.at(-1)
    if (before && last && joins(span, before)) last.end = span.end
    else result.push({ ...span })
    before = span
  }
  return result
}
