import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Arguments } from './arguments.ts'
import { GENERATE_OPTIONS, generateOptions } from './generate-flags.ts'
import { checkpointOptions, LOAD_OPTIONS } from './load-flags.ts'
import { readTextFile } from './read-text-file.ts'
import { UsageError } from './usage-error.ts'
import type { Session } from './verb.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-text-'))
after(() => rmSync(folder, { recursive: true }))

/** As editors on Windows write it. */
function marked(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, `\ufeff${text}`)
  return file
}

test('files of --schema, --grammar and --template may begin with a byte order mark', () => {
  // A template put it before every prompt, where it is three tokens.
  const generating = (flag: string, file: string) =>
    generateOptions(new Arguments(GENERATE_OPTIONS, new Map([[flag, [file]]]), [])).responseFormat
  assert.deepEqual(generating('schema', marked('s.json', '{"type": "integer"}')), {
    type: 'json_schema',
    schema: { type: 'integer' },
  })
  assert.deepEqual(generating('grammar', marked('g.ebnf', 'root ::= "a"')), {
    type: 'ebnf',
    grammar: 'root ::= "a"',
  })
  const template = marked('t.jinja', '{{ messages }}')
  const args = new Arguments(LOAD_OPTIONS, new Map([['template', [template]]]), [])
  const session = { environment: {} } as unknown as Session
  assert.equal(checkpointOptions(args, session).template, '{{ messages }}')
})

test('a file that is not there is wrong usage, told by its name', () => {
  const file = join(folder, 'none')
  assert.throws(
    () => readTextFile(file),
    (error) => error instanceof UsageError && error.message.startsWith(`${file} cannot be read: `),
  )
})
