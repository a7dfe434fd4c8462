import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

test('workers that start at the same time all get their collector', async () => {
  const module = new URL('./collect-pixels-node.js', import.meta.url)
  const code = `import('${module}').then(({ collectPixels }) => collectPixels())`
  const start = async () => {
    const [exitCode] = await once(new Worker(code, { eval: true, execArgv: [] }), 'exit')
    assert.equal(exitCode, 0)
  }
  for (let round = 0; round < 15; round++) await Promise.all([start(), start(), start(), start()])
})
