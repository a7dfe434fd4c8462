/**
 * What the calls of a model take: a prompt in one of three forms and, for generating, the options.
 *
 * Everything is checked here, once and all together: an InputError names every fault with its path, such as
 * `messages[0].content[1].image`.
 */
import { Faults, isRecord } from './faults.ts'
import {
  OPTION_NAMES,
  readGenerateOptions,
  resolveOptions,
  type GenerateOptions,
  type ResolvedGenerateOptions,
} from './generate-options.ts'
import type { GenerationConfig } from './generation-config.ts'
import { checkTools, readToolUse, type ToolFields, type ToolUse } from './tools/tool-use.ts'
import {
  checkImageSource,
  checkMessages,
  checkVideo,
  isVideoPart,
  plainMessages,
  type ImageSource,
  type Message,
  type PlainMessage,
  type VideoPart,
  type VideoSource,
} from './messages.ts'

export type GenerateRequest = PromptInput & GenerateOptions

/** A conversation; or a text that no template touches, or token ids, with their pictures and clips beside them. */
export type PromptInput =
  | ({ readonly messages: readonly Message[] } & ToolFields)
  | ({ readonly prompt: string } & Media)
  | ({ readonly inputIds: readonly number[] } & Media)

export type Media = {
  /** One for each image placeholder, in order. */
  readonly images?: readonly ImageSource[]
  /** Where one placeholder marks both, pictures take the first places. A part says frames and fps as well. */
  readonly videos?: readonly (VideoSource | VideoPart)[]
}

/** A prompt that was checked. Pictures and clips are in the order of their placeholders. */
export type Prompt = PromptForm & {
  readonly images: readonly ImageSource[]
  readonly videos: readonly VideoPart[]
  /** The kinds of all of them in the order in which they were given. */
  readonly media: readonly ('image' | 'video')[]
}

export type PromptForm =
  | {
      readonly kind: 'messages'
      readonly messages: readonly PlainMessage[]
      readonly toolUse: ToolUse | null
    }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'ids'; readonly ids: readonly number[] }

export type ParsedRequest = { readonly prompt: Prompt; readonly options: ResolvedGenerateOptions }

/** Checks and completes a request for an answer. Throws one InputError that names every fault. */
export function parseGenerateRequest(input: unknown, config: GenerationConfig): ParsedRequest {
  const faults = new Faults('generate')
  const fields = checkPrompt(input, OPTION_NAMES, faults)
  const options = resolveOptions(readGenerateOptions(fields, faults), config, faults)
  noteToolContradictions(fields, options, faults)
  faults.throwIfAny()
  const prompt = toPrompt(input as PromptInput)
  return { prompt, options: prompt.kind === 'messages' ? endingTurns(options, config) : options }
}

/** Options of an answer in a conversation, which ends where the next turn would begin. */
function endingTurns(
  options: ResolvedGenerateOptions,
  { turnEnd }: GenerationConfig,
): ResolvedGenerateOptions {
  if (options.ignoreEos) return options
  return {
    ...options,
    stop: union(options.stop, turnEnd.texts),
    eosTokenIds: union(options.eosTokenIds, turnEnd.tokenIds),
  }
}

function union<T>(a: readonly T[], b: readonly T[]): readonly T[] {
  return [...new Set([...a, ...b])]
}

function noteToolContradictions(
  fields: Record<string, unknown>,
  { n, numBeams, ignoreEos, responseFormat }: ResolvedGenerateOptions,
  faults: Faults,
): void {
  const toolUse = fields['tools'] === undefined || faults.count > 0 ? null : readToolUse(fields)
  if (!toolUse) return
  if (n > 1 || numBeams > 1) {
    faults.add('INPUT_TOOLS', 'tools are for one answer; leave out n and numBeams')
  }
  if (toolUse.required === null) return
  if (ignoreEos) faults.add('INPUT_TOOLS', 'ignoreEos contradicts toolChoice, whose answers end')
  if (responseFormat.type !== 'text') {
    faults.add(
      'INPUT_TOOLS',
      `responseFormat ${responseFormat.type} contradicts toolChoice, which wants a call; leave out one of them`,
    )
  }
}

/**
 * Checks the prompt of any other call. `where` is the call's name, `otherNames` are the fields it takes beside the
 * prompt and checks itself. Throws one InputError that names every fault.
 */
export function parsePrompt(
  where: string,
  input: unknown,
  otherNames: readonly string[] = [],
): Prompt {
  const faults = new Faults(where)
  checkPrompt(input, otherNames, faults)
  faults.throwIfAny()
  return toPrompt(input as PromptInput)
}

const CODE = 'INPUT_PROMPT'
const FORMS = ['messages', 'prompt', 'inputIds']
const MEDIA = ['images', 'videos']
const TOOLS = ['tools', 'toolChoice', 'parallelToolCalls']

/** Notes the faults of a prompt and of names that nobody knows; returns the input's fields. */
function checkPrompt(
  input: unknown,
  otherNames: readonly string[],
  faults: Faults,
): Record<string, unknown> {
  if (!isRecord(input)) {
    faults.mismatch(CODE, 'the request', 'an object with messages, prompt or inputIds', input)
    return {}
  }
  faults.unknownKeys('INPUT_UNKNOWN_OPTION', '', input, [
    ...FORMS,
    ...MEDIA,
    ...TOOLS,
    ...otherNames,
  ])
  const { messages, prompt, inputIds, images, videos } = input
  const given = FORMS.filter((name) => input[name] !== undefined)
  if (given.length !== 1) {
    const came = given.length === 0 ? 'none of them' : given.join(' and ')
    faults.add(CODE, `the prompt should be exactly one of ${FORMS.join(', ')}, ${came} came`)
  }
  if (messages !== undefined) checkMessages('messages', messages, faults)
  if (prompt !== undefined && (typeof prompt !== 'string' || prompt === '')) {
    faults.mismatch(CODE, 'prompt', 'a text that is not empty', prompt)
  }
  if (inputIds !== undefined && !isIdList(inputIds)) {
    faults.mismatch(CODE, 'inputIds', 'a list of at least one token id', inputIds)
  }
  if (messages !== undefined && (images ?? videos) !== undefined) {
    faults.add(CODE, 'images and videos go into the content of messages, not beside them')
  }
  checkTools(input, faults)
  checkEach('images', images, checkImageSource, faults)
  checkEach('videos', videos, checkVideo, faults)
  return input
}

/** Which ids there are, and which of them mark places, the model knows: `PromptPreparer` checks them. */
function isIdList(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(Number.isSafeInteger)
}

function checkEach(
  path: string,
  value: unknown,
  check: (path: string, source: unknown, faults: Faults) => void,
  faults: Faults,
): void {
  if (Array.isArray(value)) value.forEach((source, i) => check(`${path}[${i}]`, source, faults))
  else if (value !== undefined) faults.mismatch(CODE, path, `a list of ${path}`, value)
}

/** Only for input without faults. */
function toPrompt(input: PromptInput): Prompt {
  if ('messages' in input && input.messages !== undefined) {
    const messages = plainMessages(input.messages)
    const parts = messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content))
    const images = parts.flatMap((part) => (part.type === 'image' ? [part.image] : []))
    return {
      kind: 'messages',
      messages,
      toolUse: readToolUse(input),
      images,
      videos: parts.filter((part) => part.type === 'video'),
      media: parts.flatMap(({ type }) => (type === 'text' ? [] : [type])),
    }
  }
  const { images = [], videos = [] } = input as Media
  const media = {
    images,
    videos: videos.map((video) =>
      isVideoPart(video) ? video : ({ type: 'video', video } as const),
    ),
    media: [...images.map(() => 'image' as const), ...videos.map(() => 'video' as const)],
  }
  if ('prompt' in input && input.prompt !== undefined)
    return { kind: 'text', text: input.prompt, ...media }
  return {
    kind: 'ids',
    ids: (input as { readonly inputIds: readonly number[] }).inputIds,
    ...media,
  }
}
