import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Arguments } from './arguments.ts'
import { GENERATE_OPTIONS, generateOptions } from './generate-flags.ts'
import { UsageError } from './usage-error.ts'

function biases(...texts: string[]) {
  const args = new Arguments(GENERATE_OPTIONS, new Map([['logit-bias', texts]]), [])
  return generateOptions(args).logitBias
}

test('--logit-bias takes any way to write a number, and nothing else', () => {
  assert.deepEqual(biases('42=1e2', '7=-.5', '0=3'), { 42: 100, 7: -0.5, 0: 3 })
  for (const text of ['42=', '42=x', '42=1e999', '42', 'a=1', '4.2=1']) {
    assert.throws(() => biases(text), UsageError, text)
  }
})

// Editors on Windows write one.
test('files of --schema and --grammar may begin with a byte order mark', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-flags-'))
  const read = (flag: string, text: string) => {
    const file = join(folder, flag)
    writeFileSync(file, `\ufeff${text}`)
    return generateOptions(new Arguments(GENERATE_OPTIONS, new Map([[flag, [file]]]), []))
  }
  try {
    const { responseFormat: schema } = read('schema', '{"type": "integer"}')
    assert.deepEqual(schema, { type: 'json_schema', schema: { type: 'integer' } })
    const { responseFormat: grammar } = read('grammar', 'root ::= "a"')
    assert.deepEqual(grammar, { type: 'ebnf', grammar: 'root ::= "a"' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
