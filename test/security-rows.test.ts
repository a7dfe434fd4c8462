/** Each row of docs/serving.md's table of attacks names tests that are there. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const ROWS = 23

test('every expectation of safety names tests that exist', () => {
  const table = readFileSync('docs/serving.md', 'utf8').split('## What is attacked')[1] ?? ''
  const rows = [...table.matchAll(/^\| *(\d+) *\|[^|]+\|([^|]+)\|$/gm)]
  assert.deepEqual(
    rows.map(([, number]) => Number(number)),
    Array.from({ length: ROWS }, (_, i) => i + 1),
  )
  for (const [, number, cell = ''] of rows) {
    const named = [...cell.matchAll(/`([^`]+)`: (.+?)(?:<br>|\s*$)/g)]
    assert.ok(named.length > 0, `row ${number} names no test`)
    for (const [, file = '', name = ''] of named) {
      const source = readFileSync(file, 'utf8').replaceAll("\\'", "'")
      const isThere = ["'", '"', '`'].some((quote) => source.includes(`${quote}${name}${quote}`))
      assert.ok(isThere, `row ${number}: ${file} has no test '${name}'`)
    }
  }
})
