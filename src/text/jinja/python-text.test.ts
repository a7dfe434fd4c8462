import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  capitalize,
  cut,
  lengthOf,
  replaceText,
  splitLines,
  splitText,
  splitWords,
  strip,
  titleCase,
} from './python-text.ts'

const text = fc.string({ unit: 'grapheme-composite' })
const spaced = fc.string({ unit: fc.constantFrom('a', ' ', '\t', 'é', '\u2003') })

describe('texts as Python sees them', () => {
  test('count and are cut by code points', () => {
    fc.assert(
      fc.property(text, fc.nat(20), fc.nat(20), (value, from, to) => {
        const points = [...value]
        assert.equal(lengthOf(value), points.length)
        assert.equal(cut(value, from, to), points.slice(from, to).join(''))
      }),
    )
  })

  test('lose white space that JavaScript keeps, and keep a byte order mark', () => {
    assert.equal(strip('\x1c\x85\u3000 a \u2028\x1f', null, 'both'), 'a')
    assert.equal(strip('\ufeffa', null, 'both'), '\ufeffa')
    assert.equal(strip('<s>[INST]', '<s>', 'left'), '[INST]')
  })

  test('split at most as often as asked, and come back together', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: -1, max: 3 }), fc.boolean(), (value, limit, isLeft) => {
        const parts = splitText(value, 'a', limit, isLeft ? 'left' : 'right')
        assert.equal(parts.join('a'), value)
        assert.ok(limit < 0 || parts.length <= limit + 1)
      }),
    )
  })

  test('split at white space into words, the rest keeping its own', () => {
    fc.assert(
      fc.property(spaced, (value) => {
        const words = splitWords(value, -1, 'left')
        assert.ok(words.every((word) => word !== '' && !/\s/.test(word)))
        assert.equal(words.join(''), value.replace(/\s/g, ''))
      }),
    )
    assert.deepEqual(splitWords('  a  b c ', 1, 'left'), ['a', 'b c '])
    assert.deepEqual(splitWords('  a  b c ', 1, 'right'), ['  a  b', 'c'])
  })

  test('end lines at more than line feeds', () => {
    assert.deepEqual(splitLines('a\r\nb\x0bc\u2028d\n'), ['a', 'b', 'c', 'd'])
    fc.assert(fc.property(text, (value) => assert.equal(splitLines(value, true).join(''), value)))
  })

  test('replace between all characters when nothing is looked for', () => {
    assert.equal(replaceText('🙂b', '', '-', -1), '-🙂-b-')
    assert.equal(replaceText('aaa', 'a', '$&', 2), '$&$&a')
    assert.equal(replaceText('aa', 'a', '$&', -1), '$&$&')
  })

  test('have a title case of their own', () => {
    assert.equal(titleCase("they're ßa ǆb"), "They'Re Ssa ǅb")
    assert.equal(capitalize('ßA'), 'Ssa')
  })
})
