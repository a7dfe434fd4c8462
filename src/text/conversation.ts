/**
 * Turns to a prompt by a conversation mode of the original repositories: their `Conversation.get_prompt`.
 *
 *   system · role question · role answer · …          strung together in the mode's style
 *
 * Source: `llava/conversation.py` of haotian-liu/LLaVA at c121f04 and LLaVA-VL/LLaVA-NeXT at df17966.
 */
import { checkArgument } from '../core/check-argument.ts'
import { describeValue } from '../core/describe-value.ts'
import { checkChoice, checkFlags } from '../core/check-choice.ts'
import { checkOptions } from '../core/check-options.ts'
import { ConfigError, InputError } from '../core/errors.ts'
import {
  CONVERSATION_MODES,
  REPOSITORIES,
  type ConversationMode,
  type ConversationStyle,
  type Repository,
} from './conversation-modes.ts'
import { strip } from './jinja/python-text.ts'

/** One turn of a conversation as data sets write it; `user` and `assistant` are understood as well. */
export interface Turn {
  readonly from: 'human' | 'gpt' | 'user' | 'assistant'
  /** null or an empty text leaves the turn open: its role is written, its text is not. */
  readonly value: string | null
  /** Pictures that come beside the text instead of as tags in it, as the demos put them. */
  readonly pictures?: number
}

export interface ConversationOptions {
  /** Ends the prompt with the opening of an answer. */
  readonly addGenerationPrompt?: boolean
  /** Stands in for the mode's own system text; what the mode writes around it stays. */
  readonly system?: string
  /** Whose behaviour, where the two differ. By default LLaVA-NeXT's if it has the mode. */
  readonly repository?: Repository
}

/**
 * The prompt of `turns` in `mode`.
 *
 * A mode of style LLAMA_3 always ends with the opening of an answer, asked for or not: a quirk of the original.
 * Throws ConfigError for an unknown mode, InputError for turns that the mode cannot write.
 */
export function renderConversation(
  mode: string,
  turns: readonly Turn[],
  options: ConversationOptions = {},
): string {
  checkOptions('renderConversation', options, ['addGenerationPrompt', 'system', 'repository'])
  checkFlags('renderConversation', { addGenerationPrompt: options.addGenerationPrompt })
  checkTurns('renderConversation', turns)
  const found = conversationMode(mode, options.repository)
  const system =
    options.system === undefined ? found.system : replaceSystem(found.system, options.system)
  const messages: Message[] = (found.examples ?? []).map(([role, text]) => ({ role, text }))
  for (const turn of turns) messages.push(messageOf(found, turn))
  if (options.addGenerationPrompt) messages.push({ role: found.roles[1], text: '' })
  const repository = options.repository ?? defaultRepository(found)
  return STYLES[found.style]({ ...found, system }, placeFirstPicture(found, messages, repository))
}

export function isConversationMode(name: string): boolean {
  return CONVERSATION_MODES.has(name)
}

/** The mode's data. Throws ConfigError with the names there are, InputError for a repository that is neither. */
export function conversationMode(name: string, repository?: Repository): ConversationMode {
  checkChoice('conversation: repository', repository, REPOSITORIES)
  const mode = CONVERSATION_MODES.get(name)
  if (mode !== undefined && (repository === undefined || mode.repositories.includes(repository))) {
    return mode
  }
  const names = [...CONVERSATION_MODES]
    .filter(([, { repositories }]) => repository === undefined || repositories.includes(repository))
    .map(([known]) => known)
  throw new ConfigError(
    'CONFIG_CONVERSATION_MODE',
    `conversation: expected a mode${repository ? ` of ${repository}` : ''}, '${name}' came; choose one of ${names.join(', ')}.`,
  )
}

/** LLaVA-NeXT's behaviour where both have the mode: it keeps every picture of a message. */
export function defaultRepository({ repositories }: ConversationMode): Repository {
  return repositories.includes('LLaVA-NeXT') ? 'LLaVA-NeXT' : 'LLaVA'
}

export interface ConversationStop {
  /** Texts that end an answer wherever they stand. */
  readonly texts: readonly string[]
  /** Tokens that end an answer, by name; look their ids up in the tokenizer. */
  readonly tokens: readonly string[]
  /** Ids that the original names outright. */
  readonly tokenIds: readonly number[]
  /** What the original's command line stops at: `<s>` for llava_llama_2 and nothing for mistral_instruct, both useless. */
  readonly asOriginal: string
}

/** Where an answer in this mode ends. */
export function conversationStop(mode: string, repository?: Repository): ConversationStop {
  const { style, sep, sep2, stopTokens, stopTokenIds = [] } = conversationMode(mode, repository)
  const asOriginal = style === 'TWO' ? (sep2 ?? '') : sep
  return {
    texts: stopTokens.length > 0 ? stopTokens : [sep],
    tokens: stopTokens,
    tokenIds: stopTokenIds,
    asOriginal,
  }
}

interface Message {
  readonly role: string
  /** Empty: the turn is open. */
  readonly text: string
  readonly pictures?: number
}

/** Markup before the system text belongs to the mode. */
const SYSTEM_MARKUP = ['<|im_start|>system\n', '<|system|>\n']

function replaceSystem(own: string, given: string): string {
  const markup = SYSTEM_MARKUP.find((start) => own.startsWith(start)) ?? ''
  return given.startsWith(markup) ? given : markup + given
}

function messageOf(mode: ConversationMode, turn: Turn): Message {
  const { value } = turn
  const role = mode.roles[isAnswer(turn) ? 1 : 0]
  return { role, text: value ?? '', ...(turn.pictures && { pictures: turn.pictures }) }
}

/** Throws InputError, which begins with `where`, unless these are turns whose speakers are known. */
export function checkTurns(where: string, turns: readonly Turn[]): void {
  checkArgument(`${where}: turns`, turns, 'a list')
  turns.forEach((turn, i) => {
    checkArgument(`${where}: turns[${i}]`, turn, 'an object')
    isAnswer(turn)
    if (turn.value !== null && typeof turn.value !== 'string') {
      throw new InputError(
        'INPUT_CONVERSATION_TURN',
        `${where}: turns[${i}].value should be a text or null, ${describeValue(turn.value)} came; write { from, value }.`,
      )
    }
  })
}

/** Whether the model speaks. Throws InputError for a speaker that is neither side. */
export function isAnswer({ from }: Turn): boolean {
  if (from === 'gpt' || from === 'assistant') return true
  if (from === 'human' || from === 'user') return false
  throw new InputError(
    'INPUT_CONVERSATION_ROLE',
    `conversation: expected from to be 'human' or 'gpt', ${describeValue(from)} came; a system text goes into options.system.`,
  )
}

/** A picture beside the first text becomes a tag before it, or in the `mmtag` modes an exchange of its own. */
function placeFirstPicture(
  mode: ConversationMode,
  messages: readonly Message[],
  repository: Repository,
): readonly Message[] {
  const [first, ...rest] = messages
  if (first?.pictures === undefined) return messages
  const bare = strip(first.text.replaceAll('<image>', ''), null, 'both')
  if (mode.version.includes('mmtag')) {
    const [human, assistant] = mode.roles
    const shown = { role: human, text: '<Image><image></Image>' }
    return [
      shown,
      { role: assistant, text: 'Received.' },
      { role: first.role, text: bare },
      ...rest,
    ]
  }
  const keepsTag = repository === 'LLaVA-NeXT' && first.text.startsWith('<image>')
  return [{ role: first.role, text: keepsTag ? first.text : `<image>\n${bare}` }, ...rest]
}

type Render = (mode: ConversationMode, messages: readonly Message[]) => string

const STYLES: Readonly<Record<ConversationStyle, Render>> = {
  SINGLE: (mode, messages) =>
    mode.system +
    mode.sep +
    messages.map(({ role, text }) => (text ? `${role}: ${text}${mode.sep}` : `${role}:`)).join(''),
  TWO: (mode, messages) => {
    const ends = [mode.sep, mode.sep2 ?? '']
    const turn = ({ role, text }: Message, i: number) =>
      text ? `${role}: ${text}${ends[i % 2]}` : `${role}:`
    return mode.system + mode.sep + messages.map(turn).join('')
  },
  MPT: (mode, messages) =>
    mode.system +
    mode.sep +
    messages.map(({ role, text }) => (text ? role + text + mode.sep : role)).join(''),
  CHATML: renderChatMl,
  GEMMA: renderGemma,
  LLAMA_2: renderLlama2,
  LLAMA_3: renderLlama3,
  PLAIN: renderPlain,
}

function withTags({ text, pictures = 0 }: Message): string {
  return '<image>'.repeat(pictures) + text
}

function renderChatMl(mode: ConversationMode, messages: readonly Message[]): string {
  const head = mode.system === '' ? '' : `${mode.system}${mode.sep}\n`
  const turn = (message: Message) =>
    message.text ? `${message.role}\n${withTags(message)}${mode.sep}\n` : `${message.role}\n`
  return head + messages.map(turn).join('')
}

function renderGemma(mode: ConversationMode, messages: readonly Message[]): string {
  messages.forEach(({ role }, i) => {
    if (role !== mode.roles[i % 2]) {
      throw new InputError(
        'INPUT_CONVERSATION_ORDER',
        `conversation: expected question and answer in turn, turn ${i + 1} is out of order; join turns of one speaker.`,
      )
    }
  })
  return messages.map(({ role, text }) => (text ? role + text + mode.sep : role)).join('')
}

function renderLlama2(mode: ConversationMode, messages: readonly Message[]): string {
  const [first] = messages
  if (first !== undefined && (first.text === '' || first.role !== mode.roles[0])) {
    throw new InputError(
      'INPUT_CONVERSATION_FIRST',
      'conversation: expected the first turn to be a question with a text, it is not; this style writes the system text into it.',
    )
  }
  const system = mode.system === '' ? '' : `<<SYS>>\n${mode.system}\n<</SYS>>\n\n`
  const turn = ({ text }: Message, i: number) => {
    if (text === '') return ''
    if (i % 2 === 1) return ` ${text} ${mode.sep2}`
    return `${mode.sep}[INST] ${i === 0 ? system : ''}${text} [/INST]`
  }
  // Quirk kept: not the separator but each of its characters is taken off the left.
  return strip(messages.map(turn).join(''), mode.sep, 'left')
}

function renderLlama3(mode: ConversationMode, messages: readonly Message[]): string {
  const turns = [
    { role: 'system', text: mode.system },
    ...messages.filter(({ text }) => text !== ''),
  ]
  return `<|begin_of_text|>${turns.map((turn) => llama3Turn(turn.role, withTags(turn))).join('')}${llama3Header('assistant')}`
}

function llama3Header(role: string): string {
  return `<|start_header_id|>${role}<|end_header_id|>\n\n`
}

/** One turn of Llama 3's own chat template. */
export function llama3Turn(role: string, text: string): string {
  return `${llama3Header(role)}${strip(text, null, 'both')}<|eot_id|>`
}

function renderPlain(mode: ConversationMode, messages: readonly Message[]): string {
  const turn = ({ text }: Message, i: number) => {
    if (text === '') return ''
    if (i % 2 === 1 && mode.sep2 === null) {
      throw new InputError(
        'INPUT_CONVERSATION_PLAIN',
        'conversation: expected no answers in a plain mode, one came; plain has no form for them, captions are trained with labelConversation.',
      )
    }
    return text + (i % 2 === 0 ? mode.sep : mode.sep2)
  }
  return mode.system + messages.map(turn).join('')
}
