import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../core/errors.ts'
import { renderChat } from '../../text/chat-template.ts'
import { renderConversation } from '../../text/conversation.ts'
import { CONVERSATION_MODES } from '../../text/conversation-modes.ts'
import { conversationTemplate } from './conversation-template.ts'

const QUESTION = [{ type: 'text', text: 'What is "this"?' }, { type: 'image' }] as const
const MORE = [{ type: 'image' }, { type: 'text', text: 'and' }, { type: 'image' }] as const

test('a template writes what the conversation mode writes', () => {
  const convertible = [...CONVERSATION_MODES].filter(
    ([, { style, examples }]) => !examples && style !== 'PLAIN',
  )
  assert.ok(convertible.length > 15)
  for (const [mode] of convertible) {
    const template = conversationTemplate(mode)
    const rendered = renderChat(template, {
      messages: [
        { role: 'user', content: QUESTION },
        { role: 'assistant', content: 'It is 1 < 2.' },
        { role: 'user', content: MORE },
      ],
      addGenerationPrompt: true,
    })
    const turns = [
      { from: 'human', value: '<image>\nWhat is "this"?' },
      { from: 'gpt', value: 'It is 1 < 2.' },
      { from: 'human', value: '<image>\nand\n<image>' },
    ] as const
    assert.equal(rendered, renderConversation(mode, turns, { addGenerationPrompt: true }), mode)
  }
})

test('a system message stands in for the mode’s own', () => {
  for (const mode of ['vicuna_v1', 'qwen_1_5', 'llava_llama_2', 'mpt']) {
    const rendered = renderChat(conversationTemplate(mode), {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
      addGenerationPrompt: true,
    })
    const options = { addGenerationPrompt: true, system: 'Be brief.' }
    const turns = [{ from: 'human', value: 'Hi' }] as const
    assert.equal(rendered, renderConversation(mode, turns, options), mode)
  }
})

test('pictures are wrapped and set apart as asked', () => {
  const messages = [{ role: 'user' as const, content: QUESTION }]
  const wrapped = renderChat(conversationTemplate('v1', { wrapImage: true }), { messages })
  assert.match(wrapped, /<im_start><image><im_end>\nWhat/)
  const apart = renderChat(conversationTemplate('v1', { gap: ' ' }), { messages })
  assert.match(apart, /<image> \nWhat/)
})

test('clips have a tag of their own where the class has one', () => {
  const content = [{ type: 'text', text: 'What happens?' }, { type: 'video' }] as const
  const messages = [{ role: 'user' as const, content }]
  const shown = renderChat(conversationTemplate('v1', { hasVideo: true }), { messages })
  assert.match(shown, /USER: <video>\nWhat happens\?/)
})

test('a mode without a Jinja form is refused', () => {
  assert.throws(() => conversationTemplate('v0'), ConfigError)
})
