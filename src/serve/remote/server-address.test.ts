import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Endpoint } from './endpoint.ts'
import { isServerKey, isServerUrl } from './server-address.ts'

test('an address is what fetch can call with a path behind it', () => {
  for (const url of ['http://127.0.0.1:8000', 'https://[::1]/v1/', 'HTTP://host/a/v1']) {
    assert.ok(isServerUrl(url), url)
  }
  for (const url of [
    'ftp://x',
    'http:/x',
    'http://h:99999',
    'http://me:pw@h',
    'http://h/v1?key=1',
    'http://h/v1#a',
    'http://h:8000/?',
    'http://h/v1#',
    'http://h/v1 ',
    'h:8000',
    undefined,
  ]) {
    assert.ok(!isServerUrl(url), url)
  }
})

test('a key is what a header can hold', () => {
  assert.ok(isServerKey('sk-Az09_~+/='))
  for (const key of ['ключ', 'a\nb', 5]) assert.ok(!isServerKey(key), String(key))
})

test('what is wrong is told at once, all of it, without the password and the key', () => {
  const address = { url: 'http://me:se/cret@h:1', apiKey: 'ключ-secret' }
  assert.throws(
    () => new Endpoint(address),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'INPUT_ENDPOINT')
      assert.match(error.message, /url should be a URL like.*http:\/\/…@h:1[^]*apiKey should be/)
      assert.doesNotMatch(error.message, /se\/cret|ключ/)
      return true
    },
  )
})
