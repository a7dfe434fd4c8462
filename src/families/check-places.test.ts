import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PromptTools } from './build-prompt.ts'
import { checkTemplate } from './check-places.ts'

const [IMAGE, VIDEO] = [5, 6]

function messageOf(
  ids: readonly number[],
  media: readonly ('image' | 'video')[],
  { video = VIDEO, kind = 'template' } = {},
): string {
  const config = { image: { placeholder: IMAGE }, video: { placeholder: video }, prompt: { kind } }
  const tools = { config, tokenizer: { idOf: () => IMAGE } } as unknown as PromptTools
  try {
    checkTemplate(ids, media, tools)
    return ''
  } catch (error) {
    const { code, message } = error as Error & { code: string }
    return `${code} ${message}`
  }
}

test('a template that writes a place for each picture and clip is right, and a conversation mode always', () => {
  assert.equal(messageOf([1, VIDEO, IMAGE, 2], ['image', 'video']), '')
  assert.equal(messageOf([IMAGE, IMAGE], ['image', 'video'], { video: IMAGE }), '')
  assert.equal(messageOf([1], ['image'], { kind: 'conversation' }), '')
})

test('a template that writes other numbers of places is told with both numbers', () => {
  const told = /^CONFIG_TEMPLATE_MEDIA prompt: .* it wrote (.*)give the template .* as template\.$/
  const wrote = (...given: Parameters<typeof messageOf>) => told.exec(messageOf(...given))?.[1]
  assert.equal(wrote([1], ['image']), 'none for 1 picture; ')
  assert.equal(wrote([IMAGE], ['image', 'image']), '1 for 2 pictures; send only 1, or ')
  assert.equal(wrote([IMAGE, IMAGE], ['image']), '2 for 1 picture; ')
  assert.equal(wrote([IMAGE, IMAGE], ['image', 'video']), '2 for 1 picture; ')
  assert.equal(wrote([IMAGE], ['image', 'video']), 'none for 1 clip; ')
  const shared = { video: IMAGE }
  const both = '1 for 2 pictures and clips; send only 1, or '
  assert.equal(wrote([IMAGE], ['image', 'video'], shared), both)
})
