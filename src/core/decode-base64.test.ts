/** Base64 becomes the bytes that Node.js's Buffer makes of it, and what is none becomes nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeBase64 } from './decode-base64.ts'

test('bytes of any length come back, lines and padding or not', () => {
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length) % 256)
    const text = Buffer.from(bytes).toString('base64')
    for (const form of [text, text.replaceAll('=', ''), text.replaceAll(/.{1,7}/g, '$&\n')])
      assert.deepEqual(decodeBase64(form), bytes, form)
  }
})

test('other characters, a padding inside and a single last character are refused', () => {
  for (const text of ['AA*A', 'A-_A', 'AA==AAAA', 'AAAAA'])
    assert.throws(() => decodeBase64(text), DOMException, text)
})
