/**
 * Conversation modes against the original repositories: their data, and every prompt they render.
 *
 * LLAVA_FIXTURES names a folder with `original/prompts.json` and `record/original-public.json` (the turns); without it the
 * small set in `fixtures` is used.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { InputError } from '../../src/core/errors.ts'
import { DEFAULT_MODES, type Repository } from '../../src/text/conversation-modes.ts'
import {
  CONVERSATION_MODES,
  conversationMode,
  conversationStop,
  renderConversation,
  type Turn,
} from '../../src/text/index.ts'

const FOLDER = process.env['LLAVA_FIXTURES'] ?? 'fixtures'

type Prompt = string | { error: string } | { system: string; prompt: string }
type Mode = {
  style: string
  version: string
  roles: [string, string]
  system: string
  sep: string
  sep2: string | null
  messages: [string, string][]
  stop_token_ids: number[] | null
  stop: string
  prompts: Record<string, Prompt>
}
type Recorded = Record<
  Repository,
  { default_conversation: string[]; templates: Record<string, Mode> }
>
type Conversation = {
  name: string
  image?: 'text' | 'tuple'
  system?: string
  turns: [string, string | null][]
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as T
}

const recorded = read<Recorded>('original/prompts.json')
const conversations = read<{ prompts: Conversation[] }>('record/original-public.json').prompts

function turnsOf({ turns, image }: Conversation): Turn[] {
  return turns.flatMap(([question, answer], i): Turn[] => [
    {
      from: 'human',
      value: i === 0 && image === 'text' ? `<image>\n${question}` : question,
      ...(i === 0 && image === 'tuple' && { pictures: 1 }),
    },
    { from: 'gpt', value: answer },
  ])
}

function check(name: string, repository: Repository, conversation: Conversation, expected: Prompt) {
  const turns = turnsOf(conversation)
  const isOpen = turns.at(-1)?.value === null
  const render = () =>
    renderConversation(name, isOpen ? turns.slice(0, -1) : turns, {
      repository,
      addGenerationPrompt: isOpen,
      ...(conversation.system !== undefined && { system: conversation.system }),
    })
  if (typeof expected === 'object' && 'error' in expected) return assert.throws(render, InputError)
  assert.equal(render(), typeof expected === 'string' ? expected : expected.prompt)
}

for (const [repository, { default_conversation, templates }] of Object.entries(recorded) as [
  Repository,
  Recorded[Repository],
][]) {
  describe(`conversations of ${repository}`, () => {
    test('the table has its modes and no others', () => {
      const ours = [...CONVERSATION_MODES].filter(([, m]) => m.repositories.includes(repository))
      assert.deepEqual(ours.map(([name]) => name).sort(), Object.keys(templates).sort())
      assert.ok(default_conversation.includes(DEFAULT_MODES[repository]))
    })

    for (const [name, mode] of Object.entries(templates)) {
      test(`${name} is the same as data`, () => {
        const { style, version, roles, system, sep, sep2, examples, stopTokenIds } =
          conversationMode(name, repository)
        assert.deepEqual(
          { style, version, roles, system, sep, sep2, examples: examples ?? [] },
          {
            style: mode.style,
            version: mode.version,
            roles: mode.roles,
            system: mode.system,
            sep: mode.sep,
            sep2: mode.sep2,
            examples: mode.messages,
          },
        )
        assert.deepEqual(stopTokenIds ?? null, mode.stop_token_ids)
        assert.equal(conversationStop(name, repository).asOriginal, mode.stop)
      })

      test(`${name} renders every conversation alike`, () => {
        for (const conversation of conversations) {
          const expected = mode.prompts[conversation.name]
          if (expected !== undefined) check(name, repository, conversation, expected)
        }
      })
    }
  })
}
