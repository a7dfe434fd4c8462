import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { CheckpointError } from '../core/errors.ts'
import { readDocuments } from './documents.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-documents-'))
after(() => rmSync(folder, { recursive: true }))

test('the small files are read, JSON parsed and templates as text; others are not', () => {
  writeFileSync(join(folder, 'config.json'), '{"model_type":"llava"}')
  writeFileSync(join(folder, 'chat_template.jinja'), '{{ messages }}')
  writeFileSync(join(folder, 'generation_config.json'), '{}')
  writeFileSync(join(folder, 'README.md'), '# Model')
  writeFileSync(join(folder, 'other.json'), '{')
  assert.deepEqual(
    new Map([...readDocuments(folder)].sort(([a], [b]) => a.localeCompare(b))),
    new Map<string, unknown>([
      ['chat_template.jinja', '{{ messages }}'],
      ['config.json', { model_type: 'llava' }],
      ['generation_config.json', {}],
    ]),
  )
})

test('a byte order mark stays where Python leaves it, before a template, and is none of JSON', () => {
  writeFileSync(join(folder, 'config.json'), '\ufeff{"a":1}')
  assert.deepEqual(readDocuments(folder).get('config.json'), { a: 1 })
  rmSync(join(folder, 'config.json'))
  writeFileSync(join(folder, 'chat_template.jinja'), '\ufeff{{ x }}')
  assert.equal(readDocuments(folder).get('chat_template.jinja'), '\ufeff{{ x }}')
  rmSync(join(folder, 'chat_template.jinja'))
})

test('a folder that is not there has none', () => {
  assert.equal(readDocuments(join(folder, 'nowhere')).size, 0)
})

test('broken and far too large files are told by their path', () => {
  const refused = (name: string, text: string, message: RegExp) => {
    writeFileSync(join(folder, name), text)
    assert.throws(
      () => readDocuments(folder),
      (error) =>
        error instanceof CheckpointError &&
        error.code === 'CHECKPOINT_JSON' &&
        message.test(error.message),
    )
    rmSync(join(folder, name))
  }
  refused(
    'config.json',
    '{"model_type":',
    /config\.json is not valid JSON .*; is the file complete\?/,
  )
  refused('config.json', '', /config\.json is not valid JSON/)
  const large = ' '.repeat((16 << 20) + 1)
  refused('tokenizer_config.json', large, /tokenizer_config\.json has 16777217 bytes, more than/)
})
