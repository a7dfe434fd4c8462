import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settingsFault } from './settings-fault.ts'
import {
  DEFAULT_SETTINGS,
  NUMBER_RULES,
  numberFault,
  requestOptions,
  type Settings,
} from './settings.ts'

function settings(change: Partial<Settings>, numbers: Partial<Settings['numbers']> = {}): Settings {
  return { ...DEFAULT_SETTINGS, ...change, numbers: { ...DEFAULT_SETTINGS.numbers, ...numbers } }
}

test('what was not set is left to the server; an answer that may be drawn has a seed', () => {
  assert.deepEqual(requestOptions(settings({}), 7), { seed: 7 })
  assert.deepEqual(requestOptions(settings({}, { temperature: '0' }), 7), { temperature: 0 })
  assert.deepEqual(
    requestOptions(settings({ stop: ' a \n\nb' }, { temperature: '1', seed: '3' }), 7),
    {
      temperature: 1,
      seed: 3,
      stop: ['a', 'b'],
    },
  )
})

test('an answer has one form', () => {
  const form = (change: Partial<Settings>) => {
    const { seed: _, ...rest } = requestOptions(settings(change), 7)
    return rest
  }
  assert.deepEqual(form({ form: 'json_object' }), { response_format: { type: 'json_object' } })
  assert.deepEqual(form({ form: 'json_schema', schema: '{"type":"integer"}' }), {
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'answer', schema: { type: 'integer' } },
    },
  })
  assert.deepEqual(form({ form: 'choice', choices: 'yes\n no\n' }), { choice: ['yes', 'no'] })
  assert.deepEqual(form({ form: 'regex', regex: '[0-9]' }), { regex: '[0-9]' })
})

test('numbers out of bounds are named, and keep a question from being sent', () => {
  assert.equal(numberFault('', NUMBER_RULES.top_k), null)
  assert.equal(numberFault('0.5', NUMBER_RULES.temperature), null)
  assert.equal(numberFault('3', NUMBER_RULES.temperature), '2 at most')
  assert.equal(numberFault('0', NUMBER_RULES.max_completion_tokens), '1 or more')
  assert.equal(numberFault('1.5', NUMBER_RULES.top_k), 'a whole number, please')
  assert.equal(numberFault('1,5', NUMBER_RULES.top_p), 'not a number')
  assert.equal(settingsFault(settings({})), null)
  assert.match(settingsFault(settings({}, { top_p: '2' })) ?? '', /top p cannot be sent/)
  assert.match(settingsFault(settings({ form: 'json_schema', schema: '{' })) ?? '', /schema/)
  assert.match(settingsFault(settings({ form: 'choice', choices: ' \n' })) ?? '', /no text/)
  assert.match(settingsFault(settings({ form: 'regex', regex: '' })) ?? '', /pattern/)
})

test('fields that cannot be sent hold a question back, with the form that they are of', () => {
  const nameless = { id: '1', name: '', kind: 'text', choices: '' } as const
  const fault = (change: Partial<Settings>) => settingsFault(settings(change))
  assert.match(fault({ form: 'json_schema', fields: [nameless] }) ?? '', /a field of the answer/)
  assert.equal(fault({ form: 'json_schema', fields: [{ ...nameless, name: 'a' }] }), null)
  assert.equal(fault({ form: 'text', fields: [nameless] }), null)
})
