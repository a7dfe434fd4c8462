import assert from 'node:assert/strict'
import { isIPv4, isIPv6 } from 'node:net'
import { test } from 'node:test'
import { Rng } from '../../core/rng.ts'
import { FORMAT_PATTERNS } from './text-formats.ts'

const ipv4 = new RegExp(FORMAT_PATTERNS['ipv4'] ?? '')
const ipv6 = new RegExp(FORMAT_PATTERNS['ipv6'] ?? '')

// XGrammar's own let ::4.190.06.31 through.
test('what is an IPv6 address to Node.js is one by its pattern, and nothing else is', () => {
  const rng = new Rng(6)
  const pick = (parts: readonly string[]) => parts[Math.floor(rng.uniform() * parts.length)] ?? ''
  let right = 0
  for (let i = 0; i < 20_000; i++) {
    const count = 1 + Math.floor(rng.uniform() * 9)
    const groups = Array.from({ length: count }, () => pick(['0', 'a', 'F0', '12ab', '', 'fffff']))
    const last = pick(['', '', ':', '::', ':1.2.3.4', ':255.0.10.99', ':1.02.3.4', ':1.2.3'])
    const text = pick(['', '::']) + groups.join(':') + last
    assert.equal(ipv6.test(text), isIPv6(text), text)
    if (isIPv6(text)) right++
  }
  assert.ok(right > 500)
  for (let at = 0; at <= 8; at++) {
    // Every place of the one gap, and every number of groups around it.
    for (let count = at; count <= 9; count++) {
      const groups = Array.from({ length: count }, () => 'c')
      const text = `${groups.slice(0, at).join(':')}::${groups.slice(at).join(':')}`
      assert.equal(ipv6.test(text), isIPv6(text), text)
    }
  }
})

test('what is an IPv4 address to Node.js is one by its pattern, and nothing else is', () => {
  for (const byte of ['0', '9', '10', '99', '199', '249', '255', '256', '00', '01', '']) {
    for (const text of [`${byte}.1.2.3`, `1.2.3.${byte}`, `1.${byte}.3`]) {
      assert.equal(ipv4.test(text), isIPv4(text), text)
    }
  }
})

// XGrammar's own let a local part of any length through.
test('an e-mail address has at most 64 characters before its @ and 254 in all', () => {
  const email = new RegExp(FORMAT_PATTERNS['email'] ?? '')
  const label = 'a'.repeat(35)
  for (const local of ['a', 'a'.repeat(64), "o'neil+x", 'a.b', 'first.van.last']) {
    const longest = `${local}@${Array(5).fill(label).join('.')}`
    assert.ok(email.test(`${local}@example.com`) && email.test(longest), local)
    assert.ok(longest.length <= 254)
  }
  const wrong = [
    '',
    'a'.repeat(65),
    `${'a'.repeat(32)}.${'a'.repeat(33)}`,
    '.a',
    'a.',
    'a..b',
    'a b',
  ]
  for (const local of wrong) assert.ok(!email.test(`${local}@example.com`), local)
  for (const text of ['a@', 'a@b', 'a@-b.c', 'a@b..c']) assert.ok(!email.test(text), text)
})
