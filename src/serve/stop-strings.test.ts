import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { createStopMatcher } from './stop-strings.ts'

/** Few letters, so that stop strings begin, overlap and repeat all the time. */
const words = (least: number, most: number) =>
  fc
    .array(fc.constantFrom('a', 'b', '😀'), { minLength: least, maxLength: most })
    .map((letters) => letters.join(''))

/** The text before the stop string that is complete first, found by looking at every beginning of the text. */
function cutAtStop(
  text: string,
  stops: readonly string[],
): { text: string; stop: string | undefined } {
  for (let end = 1; end <= text.length; end++) {
    const [stop] = stops
      .filter((word) => text.slice(0, end).endsWith(word))
      .sort((a, b) => b.length - a.length)
    if (stop !== undefined) return { text: text.slice(0, end - stop.length), stop }
  }
  return { text, stop: undefined }
}

function stream(pieces: readonly string[], stops: readonly string[]) {
  const matcher = createStopMatcher(stops)
  const given: string[] = []
  for (const piece of pieces) {
    const { text, stop } = matcher.push(piece)
    given.push(text)
    if (stop !== undefined) return { text: given.join(''), stop, given }
  }
  given.push(matcher.end())
  return { text: given.join(''), stop: undefined, given }
}

test('a stream in any pieces is cut where a search of the whole text cuts it', () => {
  fc.assert(
    fc.property(
      fc.array(words(0, 6), { maxLength: 12 }),
      fc.array(words(1, 5), { maxLength: 4 }),
      (pieces, stops) => {
        const { text, stop } = stream(pieces, stops)
        assert.deepEqual({ text, stop }, cutAtStop(pieces.join(''), stops))
      },
    ),
    { numRuns: 3000 },
  )
})

test('nothing is held back but the beginning of a stop string', () => {
  fc.assert(
    fc.property(
      fc.array(words(0, 6), { minLength: 1, maxLength: 8 }),
      fc.array(words(1, 5), { maxLength: 4 }),
      (pieces, stops) => {
        const matcher = createStopMatcher(stops)
        let [seen, given] = ['', '']
        for (const piece of pieces) {
          const { text, stop } = matcher.push(piece)
          seen += piece
          given += text
          if (stop !== undefined) return
          const held = seen.slice(given.length)
          assert.ok(
            held === '' || stops.some((word) => word.length > held.length && word.startsWith(held)),
          )
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('a stop string over three tokens is never seen by the reader', () => {
  assert.deepEqual(stream(['Yes.', '\n#', '#', '# Human'], ['\n###']), {
    text: 'Yes.',
    stop: '\n###',
    given: ['Yes.', '', '', ''],
  })
})

test('what only looked like a stop string comes out once that is clear', () => {
  assert.deepEqual(stream(['a\n#', '#b'], ['\n###']).given, ['a', '\n##b', ''])
  assert.deepEqual(stream(['a\n##'], ['\n###']).given, ['a', '\n##'])
})

test('without stop strings every piece passes at once', () => {
  assert.deepEqual(stream(['a', 'b'], []).given, ['a', 'b', ''])
})
