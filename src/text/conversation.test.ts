import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  conversationModeOf,
  demoModeOf,
  modelNameOf,
  trainingModeOf,
} from './conversation-choice.ts'
import { normaliseImageTags } from './conversation-image-tags.ts'
import { CONVERSATION_MODES } from './conversation-modes.ts'
import {
  conversationStop,
  isConversationMode,
  renderConversation,
  type Turn,
} from './conversation.ts'

const TURNS: Turn[] = [
  { from: 'human', value: '<image>\nQ1' },
  { from: 'gpt', value: 'A1' },
  { from: 'human', value: 'Q2' },
]

describe('renderConversation', () => {
  test('writes Vicuna as in evaluation', () => {
    assert.equal(
      renderConversation('vicuna_v1', TURNS, { addGenerationPrompt: true }),
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions. USER: <image>\nQ1 ASSISTANT: A1</s>USER: Q2 ASSISTANT:",
    )
  })

  test('an open turn is the same as asking for an answer, in every mode that has answers', () => {
    for (const [name, { style }] of CONVERSATION_MODES) {
      if (style === 'PLAIN') continue
      const asked = renderConversation(name, TURNS, { addGenerationPrompt: true })
      assert.equal(renderConversation(name, [...TURNS, { from: 'gpt', value: null }]), asked)
    }
  })

  test('understands the speakers of chat messages', () => {
    const turns: Turn[] = [
      { from: 'user', value: 'Q' },
      { from: 'assistant', value: 'A' },
    ]
    const same: Turn[] = [
      { from: 'human', value: 'Q' },
      { from: 'gpt', value: 'A' },
    ]
    assert.equal(renderConversation('qwen_1_5', turns), renderConversation('qwen_1_5', same))
  })

  test('says which modes there are when it is given another', () => {
    assert.throws(() => renderConversation('vicuna_v2', TURNS), {
      code: 'CONFIG_CONVERSATION_MODE',
      message: /'vicuna_v2' came; choose one of default, v0, v1, vicuna_v1, /,
    })
    assert.throws(() => renderConversation('qwen_1_5', TURNS, { repository: 'LLaVA' }), {
      code: 'CONFIG_CONVERSATION_MODE',
    })
  })

  test('refuses speakers, values and options that it does not know', () => {
    const system = [{ from: 'system', value: 'x' }] as never
    assert.throws(() => renderConversation('v1', system), { code: 'INPUT_CONVERSATION_ROLE' })
    const number = [{ from: 'human', value: 5 }] as never
    assert.throws(() => renderConversation('v1', number), { code: 'INPUT_CONVERSATION_TURN' })
    const options = { addGeneration: true } as never
    assert.throws(() => renderConversation('v1', [], options), { code: 'INPUT_UNKNOWN_OPTION' })
  })

  test('refuses what a style cannot write', () => {
    const answers = [{ from: 'gpt', value: 'A' }] as const
    assert.throws(() => renderConversation('gemma_instruct', answers), {
      code: 'INPUT_CONVERSATION_ORDER',
    })
    assert.throws(() => renderConversation('llama_2', answers), {
      code: 'INPUT_CONVERSATION_FIRST',
    })
    assert.throws(() => renderConversation('plain', TURNS), { code: 'INPUT_CONVERSATION_PLAIN' })
  })

  test('keeps the markup around a system text that is replaced', () => {
    const text = renderConversation('chatml_direct', [], { system: 'Be kind.' })
    assert.equal(text, '<|im_start|>system\nBe kind.<|im_end|>')
  })
})

describe('conversationStop', () => {
  test('names the tokens that end an answer', () => {
    assert.deepEqual(conversationStop('vicuna_v1').tokens, ['</s>'])
    assert.deepEqual(conversationStop('llava_v0').texts, ['###'])
    assert.deepEqual(conversationStop('llava_llama_3').tokenIds, [128009])
  })

  test('never stops at nothing, as the original does for Mistral', () => {
    assert.equal(conversationStop('mistral_instruct').asOriginal, '')
    for (const name of CONVERSATION_MODES.keys()) {
      assert.ok(
        conversationStop(name).texts.every((text) => text !== ''),
        name,
      )
    }
  })
})

describe('the mode of a checkpoint', () => {
  test('is the one it was trained with', () => {
    const modes = {
      'liuhaotian/llava-v1.5-7b': 'vicuna_v1',
      'llava-v1.6-mistral-7b': 'mistral_instruct',
      'liuhaotian/llava-v1.6-34b': 'chatml_direct',
      'LLaVA-NeXT-Video-34B-DPO': 'chatml_direct',
      'lmms-lab/llama3-llava-next-8b': 'llava_llama_3',
      'lmms-lab/llava-onevision-qwen2-7b-ov': 'qwen_1_5',
      'llava-llama-2-13b-chat-lightning-preview': 'llava_llama_2',
      'LLaVA-Lightning-MPT-7B-preview': 'mpt',
      'LLaVA-13b-delta-v0': 'llava_v0',
      // These were asked as v0, and as Qwen.
      'llava-v1.5-7b-v0.1': 'vicuna_v1',
      'llava-v1.5-7b-finetune-v0.2': 'vicuna_v1',
      'llava-v1.5-7b-onevision-data': 'vicuna_v1',
      'llava-llama-3-8b-v1_1': 'llava_llama_3',
      '/models/mine': 'vicuna_v1',
    }
    for (const [name, mode] of Object.entries(modes)) assert.equal(conversationModeOf(name), mode)
    assert.equal(conversationModeOf('mine', 'llava_mistral'), 'mistral_instruct')
    assert.equal(conversationModeOf('llava-v1.6-qwen', 'llava_qwen'), 'qwen_1_5')
    const names = ['/runs/mine', '/models/llava-v1.6-34b', '/models/LLaVA-7b-v0']
    assert.equal(conversationModeOf(names), 'chatml_direct')
    assert.ok(Object.values(modes).every(isConversationMode))
  })

  test('is another one in the demos, and they differ from each other', () => {
    assert.equal(demoModeOf('llava-v1.5-7b'), 'llava_v1')
    assert.equal(demoModeOf('llava-v1.6-mistral-7b'), 'mistral_instruct')
    assert.equal(demoModeOf('llava-v1.6-mistral-7b', 'LLaVA-NeXT'), 'llava_v1')
    assert.equal(demoModeOf('anything'), 'llava_v0')
  })

  test('follows the version of a training script', () => {
    assert.equal(trainingModeOf('plain'), 'plain')
    assert.equal(trainingModeOf('v9'), 'vicuna_v1')
  })

  test('is looked for in the last part of a path, of checkpoints in the last two', () => {
    assert.equal(modelNameOf('/data/llava-v1.5-7b/'), 'llava-v1.5-7b')
    assert.equal(modelNameOf('runs/mine/checkpoint-100'), 'mine_checkpoint-100')
  })
})

describe('normaliseImageTags', () => {
  const several: Turn[] = [{ from: 'human', value: 'Compare <image> and <image>.' }]

  test('keeps several pictures of a message, which LLaVA itself collapses to one', () => {
    assert.deepEqual(normaliseImageTags(several), several)
    const [turn] = normaliseImageTags(several, { repository: 'LLaVA' })
    assert.equal(turn?.value, '<image>\nCompare  and .')
  })

  test('leaves its input alone and is done with once', () => {
    const given: Turn[] = [{ from: 'human', value: 'Look: <image> ' }]
    const once = normaliseImageTags(given)
    assert.equal(given[0]?.value, 'Look: <image> ')
    assert.equal(once[0]?.value, '<image>\nLook:')
    assert.deepEqual(normaliseImageTags(once), once)
  })

  test('refuses unknown options and repositories', () => {
    assert.throws(() => normaliseImageTags([], { wrap: true } as never), {
      code: 'INPUT_UNKNOWN_OPTION',
    })
    assert.throws(() => normaliseImageTags([], { repository: 'x' as never }), {
      code: 'INPUT_OPTION_VALUE',
    })
  })
})
