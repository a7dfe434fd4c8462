import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadModel } from '../index.ts'
import { parseArguments } from './parse-arguments.ts'
import { identityOf } from './model-identity.ts'
import { VERBS } from './verbs.ts'
import type { Session } from './verb.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-identity-'))
after(() => rmSync(folder, { recursive: true }))

const session = { environment: {}, signal: new AbortController().signal } as unknown as Session

async function identity(change: (model: string) => void = () => {}, flags: readonly string[] = []) {
  const path = join(mkdtempSync(join(folder, 'one-')), 'model')
  cpSync('fixtures/inference/mini-vit-crop', path, { recursive: true })
  change(path)
  const line = ['eval', 'quick', '--model', path, '--cache-dir', folder, ...flags]
  const { args } = (await parseArguments(line, VERBS, '1.0.0'))!
  const model = await loadModel(path, { precision: 'f32' })
  try {
    return JSON.stringify(await identityOf(model, args, session))
  } finally {
    await model.dispose()
  }
}

/** The same file with other fields. */
function edit(model: string, file: string, fields: object): void {
  const path = join(model, file)
  const json = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, JSON.stringify({ ...json, ...fields }))
}

test('whatever a model in this process is read by is part of what it is', async () => {
  const first = await identity()
  assert.equal(await identity(), first)
  const others = {
    'orientation of pictures': await identity(() => {}, ['--auto-orient']),
    'end tokens': await identity((model) =>
      edit(model, 'generation_config.json', { eos_token_id: 7 }),
    ),
    tokenizer: await identity((model) => edit(model, 'tokenizer_config.json', { note: 1 })),
  }
  for (const [name, other] of Object.entries(others)) assert.notEqual(other, first, name)
})
