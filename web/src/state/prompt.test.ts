import assert from 'node:assert/strict'
import { test } from 'node:test'
import { promptMessages, promptNames, promptTurns } from './prompt.ts'
import { titleOf, type AnswerTurn, type Turn, type UserTurn } from './turns.ts'

const store = {
  content: async (media: readonly { id: string; kind: string }[]) =>
    media.map(({ id, kind }) =>
      kind === 'image'
        ? { type: 'image_url' as const, image_url: { url: id } }
        : { type: 'video_url' as const, video_url: { url: id } },
    ),
}

function question(text: string, media: UserTurn['media'] = []): UserTurn {
  return { role: 'user', id: text, text, media }
}

function answer(text: string, state: AnswerTurn['state'] = 'done'): AnswerTurn {
  return { role: 'assistant', id: text, text, state, model: 'm', options: {} }
}

const messages = (turns: readonly Turn[], system = '') => promptMessages(turns, system, store)

test('pictures and clips come before the words they were sent with', async () => {
  const media = [
    { id: 'a', kind: 'image', name: 'a.png', type: 'image/png', bytes: 1 },
    { id: 'b', kind: 'video', name: 'b.mp4', type: 'video/mp4', bytes: 1 },
  ] as const
  assert.deepEqual(await messages([question('what?', media)], ' be brief '), [
    { role: 'system', content: 'be brief' },
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url: 'a' } },
        { type: 'video_url', video_url: { url: 'b' } },
        { type: 'text', text: 'what?' },
      ],
    },
  ])
})

test('a question without an answer is left out, so that the two take turns', async () => {
  const turns = [
    question('a'),
    answer('', 'failed'),
    question('b'),
    answer('c', 'stopped'),
    question('d'),
  ]
  assert.deepEqual(await messages(turns), [
    { role: 'user', content: 'b' },
    { role: 'assistant', content: 'c' },
    { role: 'user', content: 'd' },
  ])
})

test('a question whose answer is under way is read, and one that failed no longer', () => {
  const [before, asked] = [question('a'), question('b')]
  const turns = (state: AnswerTurn['state']) => [before, answer('c'), asked, answer('', state)]
  assert.deepEqual(promptTurns(turns('running')), [before, answer('c'), asked])
  for (const state of ['failed', 'stopped'] as const) {
    assert.deepEqual(promptTurns(turns(state)), [before, answer('c')])
  }
  assert.deepEqual(promptTurns([asked, answer('', 'running'), before]), [before])
  assert.deepEqual(promptTurns([asked, before]), [before])
})

test('the files of each message have their names where the message is', () => {
  const medium = (name: string) =>
    ({ id: name, kind: 'image', name, type: 'image/png', bytes: 1 }) as const
  const turns = [
    question('a', [medium('lost')]),
    answer('', 'failed'),
    question('b', [medium('one'), medium('two')]),
    answer('c'),
    question('d', [medium('three')]),
  ]
  assert.deepEqual(promptNames(turns, ''), [['one', 'two'], [], ['three']])
  assert.deepEqual(promptNames(turns, 'Be brief.'), [[], ['one', 'two'], [], ['three']])
})

test('a conversation is called by its first question', () => {
  assert.equal(titleOf([]), '')
  assert.equal(titleOf([question('  what\n is it? ')]), 'what is it?')
  assert.equal(titleOf([question('x'.repeat(100))]).length, 60)
  const media = [{ id: 'a', kind: 'image', name: 'a.png', type: '', bytes: 1 }] as const
  assert.equal(titleOf([question('', media)]), 'a.png')
})
