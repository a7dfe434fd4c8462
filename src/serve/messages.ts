/** A conversation with pictures and clips: what a request may hold, and the checks of it. */
import { describeValue } from '../core/describe-value.ts'
import { isRecord, type Faults } from './faults.ts'
import { POSITIVE, wholeNumberFrom } from './field-rules.ts'
import type { ToolCall } from '../families/tool-messages.ts'

export type Message = {
  readonly role: Role
  /** A text and a list with one text are told apart where the chat template tells them apart. */
  readonly content: string | readonly ContentPart[]
  /** What the assistant called in this turn. */
  readonly toolCalls?: readonly ToolCall[] | undefined
  /** Of role tool: the id of the call that this is the result of. */
  readonly toolCallId?: string | undefined
}

export type Role = 'system' | 'user' | 'assistant' | 'tool'

export type ContentPart = TextPart | ImagePart | ImageUrlPart | VideoPart

export type TextPart = { readonly type: 'text'; readonly text: string }

export type ImagePart = { readonly type: 'image'; readonly image: ImageSource }

/** OpenAI's form. `detail` is taken and has no effect: how a picture is cut into tiles is the checkpoint's decision. */
export type ImageUrlPart = {
  readonly type: 'image_url'
  readonly image_url: string | { readonly url: string; readonly detail?: string }
}

export type VideoPart = {
  readonly type: 'video'
  readonly video: VideoSource
  /** How many frames are taken at most. */
  readonly frames?: number
  /** How many are taken of each second; of pictures, which have no clock, how many make one. */
  readonly fps?: number
  /** Exactly `frames`, those of a shorter clip repeated, whatever `fps` says: `force_sample` of the demo. */
  readonly forceSample?: boolean
  /** Seconds where what is shown begins and ends; the whole clip by default. */
  readonly start?: number
  readonly end?: number
}

/** A string is a path, a file:, http: or data: URL. */
export type ImageSource = string | URL | Uint8Array | Blob | ImagePixels

/** 8-bit samples row by row, channels interleaved; how many channels, 1 to 4, follows from the sizes. */
export type ImagePixels = {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
  readonly channels?: number
}

/** A file, a folder of frames, or pictures. */
export type VideoSource = string | URL | Uint8Array | Blob | readonly ImageSource[]

/** Parts as the stages see them: OpenAI's image_url has become an image. */
export type PlainPart = TextPart | ImagePart | VideoPart

export type PlainMessage = Omit<Message, 'content'> & {
  readonly content: string | readonly PlainPart[]
}

/** Messages that were checked, with every image_url as an image. */
export function plainMessages(messages: readonly Message[]): PlainMessage[] {
  return messages.map(({ content, ...message }) => ({
    ...message,
    content: typeof content === 'string' ? content : content.map(plainPart),
  }))
}

function plainPart(part: ContentPart): PlainPart {
  if (part.type !== 'image_url') return part
  const source = part.image_url
  return { type: 'image', image: typeof source === 'string' ? source : source.url }
}

/** Notes everything in `value` that keeps it from being a list of messages. */
export function checkMessages(path: string, value: unknown, faults: Faults): void {
  if (!Array.isArray(value) || value.length === 0) {
    faults.mismatch(CODE, path, 'a list of at least one message', value)
    return
  }
  value.forEach((message, i) => checkMessage(`${path}[${i}]`, message, faults))
}

const CODE = 'INPUT_MESSAGES'
const ROLES: readonly unknown[] = ['system', 'user', 'assistant', 'tool'] satisfies readonly Role[]

function checkMessage(path: string, value: unknown, faults: Faults): void {
  if (!isRecord(value)) {
    faults.mismatch(CODE, path, 'an object with role and content', value)
    return
  }
  const { role, content, toolCalls, toolCallId } = value
  const own = role === 'assistant' ? ['toolCalls'] : role === 'tool' ? ['toolCallId'] : []
  faults.unknownKeys(CODE, path, value, ['role', 'content', ...own])
  if (!ROLES.includes(role)) faults.mismatch(CODE, `${path}.role`, ROLES.join(' or '), role)
  if (role === 'assistant' && toolCalls !== undefined) {
    checkToolCalls(`${path}.toolCalls`, toolCalls, faults)
  }
  if (role === 'tool' && toolCallId !== undefined && typeof toolCallId !== 'string') {
    faults.mismatch(CODE, `${path}.toolCallId`, 'the id of a call', toolCallId)
  }
  if (Array.isArray(content))
    content.forEach((part, i) => checkPart(`${path}.content[${i}]`, part, faults, role))
  else if (typeof content !== 'string')
    faults.mismatch(CODE, `${path}.content`, 'a text or a list of parts', content)
}

function checkToolCalls(path: string, value: unknown, faults: Faults): void {
  if (!Array.isArray(value)) {
    faults.mismatch(CODE, path, 'a list of calls', value)
    return
  }
  for (const [i, call] of value.entries()) {
    const names = ['id', 'name', 'arguments']
    const isCall = isRecord(call) && names.every((name) => typeof call[name] === 'string')
    if (isCall) faults.unknownKeys(CODE, `${path}[${i}]`, call, names)
    else faults.mismatch(CODE, `${path}[${i}]`, 'id, name and arguments, texts each', call)
  }
}

function checkPart(path: string, value: unknown, faults: Faults, role: unknown): void {
  if (!isRecord(value)) {
    faults.mismatch(CODE, path, 'an object with a type', value)
    return
  }
  // Templates write results as texts.
  const known = role === 'tool' ? ['text'] : Object.keys(PART_CHECKS)
  const type = known.find((name) => name === value['type']) as keyof typeof PART_CHECKS | undefined
  if (type === undefined) faults.mismatch(CODE, `${path}.type`, known.join(' or '), value['type'])
  else PART_CHECKS[type](path, value, faults)
}

type PartCheck = (path: string, part: Record<string, unknown>, faults: Faults) => void

const PART_CHECKS: { readonly [T in ContentPart['type']]: PartCheck } = {
  text(path, part, faults) {
    faults.unknownKeys(CODE, path, part, ['type', 'text'])
    if (typeof part['text'] !== 'string')
      faults.mismatch(CODE, `${path}.text`, 'a text', part['text'])
  },
  image(path, part, faults) {
    faults.unknownKeys(CODE, path, part, ['type', 'image'])
    checkImageSource(`${path}.image`, part['image'], faults)
  },
  image_url(path, part, faults) {
    faults.unknownKeys(CODE, path, part, ['type', 'image_url'])
    const source = part['image_url']
    const url = isRecord(source) ? source['url'] : source
    if (isRecord(source)) faults.unknownKeys(CODE, `${path}.image_url`, source, ['url', 'detail'])
    if (!isText(url)) faults.mismatch(CODE, `${path}.image_url`, 'a URL or { url }', url)
  },
  video(path, part, faults) {
    faults.unknownKeys(CODE, path, part, VIDEO_KEYS)
    const { frames, fps, forceSample, start, end } = part
    checkVideoSource(`${path}.video`, part['video'], faults)
    const count = wholeNumberFrom(1)
    if (frames !== undefined && count.read(frames) === undefined) {
      faults.mismatch(CODE, `${path}.frames`, count.expected, frames)
    }
    if (fps !== undefined && POSITIVE.read(fps) === undefined) {
      faults.mismatch(CODE, `${path}.fps`, POSITIVE.expected, fps)
    }
    if (forceSample !== undefined && typeof forceSample !== 'boolean') {
      faults.mismatch(CODE, `${path}.forceSample`, 'true or false', forceSample)
    }
    if (start !== undefined && !(typeof start === 'number' && start >= 0)) {
      faults.mismatch(CODE, `${path}.start`, 'seconds from 0', start)
    }
    if (end !== undefined && !(typeof end === 'number' && end > Number(start ?? 0))) {
      faults.mismatch(CODE, `${path}.end`, 'seconds after the start', end)
    }
  },
}

const VIDEO_KEYS = ['type', 'video', 'frames', 'fps', 'forceSample', 'start', 'end']

/** Notes why `value` is no picture. Whether a file or URL holds one shows when it is read. */
export function checkImageSource(path: string, value: unknown, faults: Faults): void {
  if (isFileSource(value)) return
  if (!isRecord(value) || !('data' in value)) {
    faults.mismatch(CODE, path, 'a path, URL, Uint8Array, Blob or { data, width, height }', value)
    return
  }
  const { data, width, height } = value
  faults.unknownKeys(CODE, path, value, ['data', 'width', 'height', 'channels'])
  const pixels = Number(width) * Number(height)
  const channels = data instanceof Uint8Array && pixels > 0 ? data.length / pixels : NaN
  if (
    ![1, 2, 3, 4].includes(channels) ||
    !Number.isSafeInteger(width) ||
    !Number.isSafeInteger(height)
  ) {
    const samples = data instanceof Uint8Array ? `${data.length} samples` : describeValue(data)
    const size = `${describeValue(width)} x ${describeValue(height)}`
    faults.add(
      CODE,
      `${path} should be 1 to 4 samples in a Uint8Array for each of ${size} pixels, ${samples} came`,
    )
  }
}

/** A clip beside a prompt: its source alone, or the part that a message would hold. */
export function checkVideo(path: string, value: unknown, faults: Faults): void {
  if (isVideoPart(value)) PART_CHECKS.video(path, value, faults)
  else checkVideoSource(path, value, faults)
}

export function isVideoPart(value: unknown): value is VideoPart {
  return isRecord(value) && value['type'] === 'video'
}

function checkVideoSource(path: string, value: unknown, faults: Faults): void {
  if (isFileSource(value)) return
  if (Array.isArray(value) && value.length > 0) {
    value.forEach((frame, i) => checkImageSource(`${path}[${i}]`, frame, faults))
  } else {
    faults.mismatch(CODE, path, 'a path, URL, Uint8Array, Blob or a list of pictures', value)
  }
}

function isFileSource(value: unknown): boolean {
  return (
    isText(value) || value instanceof URL || value instanceof Uint8Array || value instanceof Blob
  )
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
