/** `llava ask`: one answer. */
import { text } from 'node:stream/consumers'
import type { Answer, ContentPart, GenerateRequest, Message, Model } from '../index.ts'
import type { Arguments } from './arguments.ts'
import { GENERATE_OPTIONS, generateOptions } from './generate-flags.ts'
import { LOAD_OPTIONS, loadFromFlags } from './load-flags.ts'
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
    { name: 'system', kind: 'text', value: 'text', about: 'The system message' },
    {
      name: 'raw',
      kind: 'flag',
      about: 'The prompt as it is, without a template; it says itself where pictures go',
    },
    ...LOAD_OPTIONS,
    ...GENERATE_OPTIONS,
  ],
  examples: [
    'ask --image kitchen.jpg "What is on the table?"',
    'ask --model llava-1.5-7b-hf --image a.jpg --image b.jpg "What changed?" --json',
    'ask --image cat.jpg --raw "USER: <image>\\nWhat is this? ASSISTANT:"',
    'ask --image cat.jpg - < question.txt',
  ],
  async run(args, session) {
    const request = await readRequest(args, session)
    const { model, name, loadMs } = await loadFromFlags(args, session)
    try {
      noteIgnoredOrientations(args, session.terminal)
      const answer = await answerOf(model, request, session)
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

async function readRequest(args: Arguments, { terminal }: Session): Promise<GenerateRequest> {
  const options = generateOptions(args)
  const prompt = await readPrompt(args.positionals[0], terminal.streams.stdin)
  const images = args.texts('image')
  const videos = args.texts('video')
  const system = args.text('system')
  if (args.flag('raw')) {
    if (system !== undefined) throw new UsageError('--system needs a template; --raw has none.')
    return { prompt, images, videos, ...options }
  }
  const content: ContentPart[] = [
    ...images.map((image) => ({ type: 'image', image }) as const),
    ...videos.map((video) => ({ type: 'video', video }) as const),
    { type: 'text', text: prompt },
  ]
  const messages: Message[] = [{ role: 'user', content }]
  if (system !== undefined) messages.unshift({ role: 'system', content: system })
  return { messages, ...options }
}

/** `-` reads stdin. Waiting for stdin unasked would look like a hang. */
async function readPrompt(given: string | undefined, stdin: NodeJS.ReadStream): Promise<string> {
  const prompt = given === '-' ? (await text(stdin)).trimEnd() : given
  if (prompt !== undefined && prompt.trim() !== '') return prompt
  throw new UsageError(
    'llava ask needs a prompt: llava ask --image photo.jpg "What is this?"; - reads it from stdin.',
  )
}
