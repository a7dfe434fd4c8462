/** `llava ask`: one answer. */
import { addAbortSignal } from 'node:stream'
import { text } from 'node:stream/consumers'
import type {
  Answer,
  ContentPart,
  GenerateOptions,
  GenerateRequest,
  Message,
  Model,
  PromptInput,
} from '../index.ts'
import type { Arguments } from './arguments.ts'
import { clipTimes } from './clip-times.ts'
import { GENERATE_OPTIONS, generateOptions } from './generate-flags.ts'
import { LOAD_OPTIONS, loadFromFlags, SAMPLING_OPTIONS, samplingOptions } from './load-flags.ts'
import { clipNotes } from './note-clips.ts'
import { noteIgnoredOrientations } from './note-orientation.ts'
import { showAnswer } from './show-answer.ts'
import { UsageError } from './usage-error.ts'
import type { Session, Verb } from './verb.ts'

export const ask: Verb = {
  options: [
    {
      name: 'image',
      short: 'i',
      kind: 'texts',
      value: 'file',
      about: 'A picture; repeat for more',
    },
    { name: 'video', kind: 'texts', value: 'file', about: 'A clip; repeat for more' },
    {
      name: 'time-instruction',
      kind: 'flag',
      about:
        'Say before the question when the frames of the clip are shown, as LLaVA-Video is asked',
    },
    { name: 'system', kind: 'text', value: 'text', about: 'The system message' },
    {
      name: 'raw',
      kind: 'flag',
      about: 'The prompt as it is, without a template; it says itself where pictures go',
    },
    ...SAMPLING_OPTIONS,
    ...LOAD_OPTIONS,
    ...GENERATE_OPTIONS,
  ],
  examples: [
    'ask --image kitchen.jpg "What is on the table?"',
    'ask --model llava-1.5-7b-hf --image a.jpg --image b.jpg "What changed?" --json',
    'ask --image cat.jpg --raw "USER: <image>\\nWhat is this? ASSISTANT:"',
    'ask --model llava-onevision-7b --video dance.mp4 --frames 16 --time-instruction "Who falls?"',
    'ask --image cat.jpg - < question.txt',
  ],
  async run(args, session) {
    const question = await readQuestion(args, session)
    const { model, name, loadMs } = await loadFromFlags(args, session)
    try {
      await noteIgnoredOrientations(args, session.terminal)
      const prompt = promptOf(question, model)
      if (question.videos.length > 0) {
        const notes = await clipNotes(model, prompt, question.videos)
        notes.forEach((note) => session.terminal.note(`note: ${note}.`))
      }
      const answer = await answerOf(model, { ...prompt, ...question.options }, session)
      if (args.flag('json')) {
        const { precision, device } = model
        session.terminal.json({ ...answer, model: name, precision: precision.name, device, loadMs })
      }
      // What there was of the answer is shown; the exit code says that it is not all.
      if (answer.finishReason === 'abort') session.signal.throwIfAborted()
    } finally {
      await model.dispose()
    }
  },
}

/** In JSON the answer is one object at the end, so nothing is shown before. */
async function answerOf(model: Model, request: GenerateRequest, session: Session): Promise<Answer> {
  const { terminal, signal } = session
  const whole = { ...request, signal }
  return terminal.isJson ? model.generate(whole) : showAnswer(model, whole, terminal)
}

type Question = {
  readonly prompt: string
  readonly images: readonly string[]
  readonly videos: readonly string[]
  readonly system: string | undefined
  readonly isRaw: boolean
  /** The clip whose times are told. */
  readonly timed: string | undefined
  readonly sampling: ReturnType<typeof samplingOptions>
  readonly options: GenerateOptions
}

async function readQuestion(args: Arguments, session: Session): Promise<Question> {
  const options = generateOptions(args)
  const prompt = await readPrompt(args.positionals[0], session)
  const videos = args.texts('video')
  const system = args.text('system')
  const isRaw = args.flag('raw')
  const isTimed = args.flag('time-instruction')
  if (isRaw && (system !== undefined || isTimed)) {
    throw new UsageError(
      `--${isTimed ? 'time-instruction' : 'system'} needs a template; --raw has none.`,
    )
  }
  if (isTimed && videos.length !== 1) {
    throw new UsageError(`--time-instruction goes with one --video, ${videos.length} came.`)
  }
  const timed = isTimed ? videos[0] : undefined
  const sampling = samplingOptions(args)
  checkSampling(sampling, { videos, isRaw })
  return { prompt, images: args.texts('image'), videos, system, isRaw, timed, sampling, options }
}

function checkSampling(
  { fps, forceSample }: Question['sampling'],
  { videos, isRaw }: Pick<Question, 'videos' | 'isRaw'>,
): void {
  const [name] = [fps !== undefined && '--fps', forceSample && '--force-sample'].filter(Boolean)
  if (!name) return
  if (videos.length === 0) throw new UsageError(`${name} goes with a --video.`)
  if (isRaw) throw new UsageError(`${name} needs a template; with --raw there is --frames alone.`)
}

function promptOf(question: Question, model: Model): PromptInput {
  const { images, videos, system, isRaw, timed, sampling } = question
  const times = timed === undefined ? '' : `${clipTimes(model, timed, sampling)}\n`
  if (isRaw) return { prompt: question.prompt, images, videos }
  const content: ContentPart[] = [
    ...images.map((image) => ({ type: 'image', image }) as const),
    ...videos.map((video) => ({ type: 'video', video, ...sampling }) as const),
    { type: 'text', text: `${times}${question.prompt}` },
  ]
  const messages: Message[] = [{ role: 'user', content }]
  if (system !== undefined) messages.unshift({ role: 'system', content: system })
  return { messages }
}

/** `-` reads stdin. Waiting for stdin unasked would look like a hang. */
async function readPrompt(given: string | undefined, session: Session): Promise<string> {
  const prompt = given === '-' ? (await textOfStdin(session)).trimEnd() : given
  if (prompt !== undefined && prompt.trim() !== '') return prompt
  throw new UsageError(
    'llava ask needs a prompt: llava ask --image photo.jpg "What is this?"; - reads it from stdin.',
  )
}

function textOfStdin({ terminal, signal }: Session): Promise<string> {
  return text(addAbortSignal(signal, terminal.streams.stdin))
}
