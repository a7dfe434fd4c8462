/** Every example runs as it stands, and each fits on a screen. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const names = readdirSync('examples').filter((name) => name.endsWith('.ts'))

describe('examples', () => {
  test('are numbered, and under 40 lines each', () => {
    names.sort().forEach((name, i) => {
      assert.ok(name.startsWith(`${String(i + 1).padStart(2, '0')}-`), name)
      assert.ok(readFileSync(`examples/${name}`, 'utf8').split('\n').length <= 40, name)
    })
  })

  for (const name of names) {
    test(name, () => {
      const file = new URL(`../examples/${name.replace('.ts', '.js')}`, import.meta.url)
      const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(file)], {
        encoding: 'utf8',
      })
      assert.equal(status, 0, stderr)
      assert.notEqual(stdout.trim(), '')
    })
  }
})
