/**
 * Every conversation mode of the original repositories, as data: `conv_templates` of `llava/conversation.py`.
 *
 * Source: haotian-liu/LLaVA at c121f04 and LLaVA-VL/LLaVA-NeXT at df17966, both Apache-2.0. Where both have a mode, it is the
 * same in both. The texts are part of what checkpoints were trained on: not a character may change.
 */

/** The two code bases whose behaviour is kept apart where it differs. */
export const REPOSITORIES = ['LLaVA', 'LLaVA-NeXT'] as const

export type Repository = (typeof REPOSITORIES)[number]

/** How turns are strung together; `conversation.ts` has a renderer for each. */
export type ConversationStyle =
  | 'SINGLE'
  | 'TWO'
  | 'MPT'
  | 'PLAIN'
  | 'LLAMA_2'
  | 'LLAMA_3'
  | 'CHATML'
  | 'GEMMA'

export interface ConversationMode {
  readonly style: ConversationStyle
  /** Chooses the label masks, and whether the picture's tag is wrapped (`mmtag`). */
  readonly version: string
  readonly system: string
  /** What stands before a question and before an answer. */
  readonly roles: readonly [string, string]
  readonly sep: string
  readonly sep2: string | null
  readonly repositories: readonly Repository[]
  /** Turns that every prompt of the mode begins with: role, text. */
  readonly examples?: readonly (readonly [string, string])[]
  /** Tokens that end an answer, by name. */
  readonly stopTokens: readonly string[]
  /** Ids the original stops at, where it names some. */
  readonly stopTokenIds?: readonly number[]
}

const BOTH = REPOSITORIES
const FIRST: readonly Repository[] = ['LLaVA']
const NEXT: readonly Repository[] = ['LLaVA-NeXT']

const CURIOUS_HUMAN =
  'A chat between a curious human and an artificial intelligence assistant. The assistant ' +
  "gives helpful, detailed, and polite answers to the human's questions."

const CURIOUS_USER =
  'A chat between a curious user and an artificial intelligence assistant. The assistant ' +
  "gives helpful, detailed, and polite answers to the user's questions."

const VISUAL_CONTENT =
  'A chat between a curious user and an artificial intelligence assistant. The assistant ' +
  'is able to understand the visual content that the user provides, and assist the user ' +
  'with a variety of tasks using natural language.The visual content will be provided with ' +
  'the following format: <Image>visual content</Image>.'

const VISION_ASSISTANT =
  'You are a helpful language and vision assistant. You are able to understand the visual ' +
  'content that the user provides, and assist the user with a variety of tasks using ' +
  'natural language.'

/** Two spaces after “safe.” are in the source. */
const SAFE_ASSISTANT =
  'You are a helpful, respectful and honest assistant. Always answer as helpfully as ' +
  'possible, while being safe.  Your answers should not include any harmful, unethical, ' +
  'racist, sexist, toxic, dangerous, or illegal content. Please ensure that your responses ' +
  'are socially unbiased and positive in nature.\n\nIf a question does not make any sense, ' +
  'or is not factually coherent, explain why instead of answering something not correct. ' +
  "If you don't know the answer to a question, please don't share false information."

const VISUAL_QUESTIONS = 'Answer the questions about the visual content that the user provides.'

const VISUAL_QUESTIONS_WITH_TAG =
  'Answer the questions about the visual content that the user provides.The visual content ' +
  'will be provided with the following format: <Image>visual content</Image>.'

const ENERGY_QUESTION =
  'What are the key differences between renewable and non-renewable energy sources?'

const ENERGY_ANSWER =
  'Renewable energy sources are those that can be replenished naturally in a relatively ' +
  'short amount of time, such as solar, wind, hydro, geothermal, and biomass. ' +
  'Non-renewable energy sources, on the other hand, are finite and will eventually be ' +
  'depleted, such as coal, oil, and natural gas. Here are some key differences between ' +
  'renewable and non-renewable energy sources:\n' +
  '1. Availability: Renewable energy sources are virtually inexhaustible, while ' +
  'non-renewable energy sources are finite and will eventually run out.\n' +
  '2. Environmental impact: Renewable energy sources have a much lower environmental ' +
  'impact than non-renewable sources, which can lead to air and water pollution, ' +
  'greenhouse gas emissions, and other negative effects.\n' +
  '3. Cost: Renewable energy sources can be more expensive to initially set up, but they ' +
  'typically have lower operational costs than non-renewable sources.\n' +
  '4. Reliability: Renewable energy sources are often more reliable and can be used in ' +
  'more remote locations than non-renewable sources.\n' +
  '5. Flexibility: Renewable energy sources are often more flexible and can be adapted to ' +
  'different situations and needs, while non-renewable sources are more rigid and ' +
  'inflexible.\n' +
  '6. Sustainability: Renewable energy sources are more sustainable over the long term, ' +
  'while non-renewable sources are not, and their depletion can lead to economic and ' +
  'social instability.\n'

const VICUNA_V0: ConversationMode = {
  style: 'SINGLE',
  version: 'Unknown',
  system: CURIOUS_HUMAN,
  roles: ['Human', 'Assistant'],
  sep: '###',
  sep2: null,
  repositories: BOTH,
  stopTokens: [],
}
const VICUNA_V0_WITH_EXAMPLE: ConversationMode = {
  ...VICUNA_V0,
  examples: [
    ['Human', ENERGY_QUESTION],
    ['Assistant', ENERGY_ANSWER],
  ],
}
const VICUNA_V0_TAG: ConversationMode = {
  ...VICUNA_V0,
  version: 'v0_mmtag',
  system: VISUAL_CONTENT,
}

const VICUNA_V1: ConversationMode = {
  style: 'TWO',
  version: 'v1',
  system: CURIOUS_USER,
  roles: ['USER', 'ASSISTANT'],
  sep: ' ',
  sep2: '</s>',
  repositories: BOTH,
  stopTokens: ['</s>'],
}
const VICUNA_V1_TAG: ConversationMode = {
  ...VICUNA_V1,
  version: 'v1_mmtag',
  system: VISUAL_CONTENT,
}

const LLAMA_2: ConversationMode = {
  style: 'LLAMA_2',
  version: 'llama_v2',
  system: SAFE_ASSISTANT,
  roles: ['USER', 'ASSISTANT'],
  sep: '<s>',
  sep2: '</s>',
  repositories: BOTH,
  stopTokens: ['</s>'],
}
const MISTRAL: ConversationMode = { ...LLAMA_2, system: '', sep: '' }

const MPT: ConversationMode = {
  style: 'MPT',
  version: 'mpt',
  system:
    '<|im_start|>system\nA conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers.',
  roles: ['<|im_start|>user\n', '<|im_start|>assistant\n'],
  sep: '<|im_end|>',
  sep2: null,
  repositories: BOTH,
  stopTokens: ['<|im_end|>'],
}
const DIRECT: ConversationMode = {
  ...MPT,
  system: '<|im_start|>system\nAnswer the questions.',
}

const PLAIN: ConversationMode = {
  style: 'PLAIN',
  version: 'Unknown',
  system: '',
  roles: ['', ''],
  sep: '\n',
  sep2: null,
  repositories: BOTH,
  stopTokens: [],
}

const QWEN: ConversationMode = {
  style: 'CHATML',
  version: 'qwen',
  system: '<|im_start|>system\nYou are a helpful assistant.',
  roles: ['<|im_start|>user', '<|im_start|>assistant'],
  sep: '<|im_end|>',
  sep2: null,
  repositories: NEXT,
  stopTokens: ['<|im_end|>'],
}

export const CONVERSATION_MODES: ReadonlyMap<string, ConversationMode> = new Map<
  string,
  ConversationMode
>([
  ['default', VICUNA_V0_WITH_EXAMPLE],
  ['v0', VICUNA_V0_WITH_EXAMPLE],
  ['v1', VICUNA_V1],
  ['vicuna_v1', VICUNA_V1],
  ['llama_2', LLAMA_2],
  ['mistral_instruct', MISTRAL],
  [
    'mistral_orca',
    {
      ...MPT,
      system:
        '<|im_start|>system\nYou are MistralOrca, a large language model trained by Alignment Lab AI. Write out your reasoning step-by-step to be sure you get the right answers!',
      repositories: NEXT,
    },
  ],
  [
    'mistral_zephyr',
    {
      ...MPT,
      system: '<|system|>\nYou are a helpful AI assistant.',
      roles: ['<|user|>\n', '<|assistant|>\n'],
      sep: '</s>',
      repositories: NEXT,
      stopTokens: ['</s>'],
    },
  ],
  ['chatml_direct', DIRECT],
  ['mistral_direct', DIRECT],
  ['plain', PLAIN],
  ['v0_plain', PLAIN],
  ['llava_v0', VICUNA_V0],
  ['v0_mmtag', { ...VICUNA_V0_TAG, repositories: FIRST }],
  ['llava_v0_mmtag', { ...VICUNA_V0_TAG, repositories: NEXT }],
  ['llava_v1', { ...VICUNA_V1, system: CURIOUS_HUMAN }],
  ['v1_mmtag', { ...VICUNA_V1_TAG, repositories: FIRST }],
  ['llava_v1_mmtag', { ...VICUNA_V1_TAG, repositories: NEXT }],
  ['llava_llama_2', { ...LLAMA_2, system: VISION_ASSISTANT }],
  ['llava_llama_2_simple', { ...LLAMA_2, system: VISUAL_QUESTIONS, repositories: NEXT }],
  [
    'llava_llama_2_mmtag',
    {
      ...LLAMA_2,
      version: 'llama_v2_mmtag',
      system: VISUAL_QUESTIONS_WITH_TAG,
      repositories: NEXT,
    },
  ],
  [
    'llava_llama_3',
    {
      style: 'LLAMA_3',
      version: 'llama_v3',
      system: VISION_ASSISTANT,
      roles: ['user', 'assistant'],
      sep: '<|eot_id|>',
      sep2: null,
      repositories: NEXT,
      stopTokens: ['<|eot_id|>'],
      stopTokenIds: [128009],
    },
  ],
  ['llava_mistral_instruct', { ...MISTRAL, repositories: NEXT }],
  ['mpt', MPT],
  ['qwen_1_5', QWEN],
  ['qwen_2', QWEN],
  [
    'qwen_2_5',
    {
      ...QWEN,
      system:
        '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.',
    },
  ],
  [
    'gemma_instruct',
    {
      style: 'GEMMA',
      version: 'gemma',
      system: '',
      roles: ['<start_of_turn>user\n', '<start_of_turn>model\n'],
      sep: '<end_of_turn>\n',
      sep2: null,
      repositories: NEXT,
      stopTokens: ['<end_of_turn>'],
    },
  ],
])

/** What each repository uses when no version is named. */
export const DEFAULT_MODES: Readonly<Record<Repository, string>> = {
  LLaVA: 'vicuna_v1',
  'LLaVA-NeXT': 'default',
}
