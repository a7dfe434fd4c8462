/** `llava inspect`: what a checkpoint, a picture, a clip or a prompt is to a model. Nothing is run. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { InputError } from '../core/errors.ts'
import { openParts, type Checkpoint } from '../load-checkpoint.ts'
import type { Arguments } from './arguments.ts'
import { describeCheckpoint } from './inspect-checkpoint.ts'
import { checkDrawingName } from './drawing.ts'
import { describeClip } from './inspect-clip.ts'
import { describePicture } from './inspect-picture.ts'
import { describePlan } from './inspect-plan.ts'
import { describePrompt } from './inspect-prompt.ts'
import { defaultModel } from './package.ts'
import { checkpointOptions, LOAD_OPTIONS, SAMPLING_OPTIONS } from './load-flags.ts'
import { FILM, PICTURE } from './media-kind.ts'
import { Progress } from './progress.ts'
import { UsageError } from './usage-error.ts'
import type { Session, Verb } from './verb.ts'

/** What was found out, for programs and for people. */
export type Description = { readonly facts: object; readonly lines: readonly string[] }

export const inspect: Verb = {
  options: [
    { name: 'prompt', kind: 'text', value: 'text', about: 'Show how this prompt is tokenised' },
    {
      name: 'image',
      short: 'i',
      kind: 'texts',
      value: 'file',
      about: 'A picture in the prompt, or for --plan, there also WxH; repeat for more',
    },
    { name: 'raw', kind: 'flag', about: 'The prompt as it is, without a template' },
    {
      name: 'draw',
      kind: 'text',
      value: 'file',
      about: 'Draw how a picture is cut, or the frames of a clip, into this .svg or .png',
    },
    {
      name: 'as',
      kind: 'text',
      choices: ['picture', 'clip'],
      about: 'What a GIF is looked at as (default: a picture); clip: also a folder of frames',
    },
    {
      name: 'plan',
      kind: 'flag',
      about: 'Memory at each precision and tokens of pictures; published ids are not fetched',
    },
    ...SAMPLING_OPTIONS,
    ...LOAD_OPTIONS,
  ],
  examples: [
    'inspect llava-1.5-7b-hf',
    'inspect kitchen.jpg --model llava-1.5-7b-hf',
    'inspect kitchen.jpg --model llava-1.5-7b-hf --draw kitchen.svg',
    'inspect dance.mp4 --model llava-onevision-7b --frames 16 --draw dance.png',
    'inspect liuhaotian/llava-v1.6-34b --plan --image 1280x720',
    'inspect llava-1.5-7b-hf --image kitchen.jpg --prompt "What is on the table?"',
  ],
  async run(args, session) {
    const thing = args.positionals[0] as string
    const { facts, lines } = await describe(thing, args, session)
    const { terminal } = session
    if (terminal.isJson) terminal.json(facts)
    else for (const line of lines) terminal.print(line)
  },
}

async function describe(thing: string, args: Arguments, session: Session): Promise<Description> {
  const { terminal } = session
  if (args.flag('plan')) return describePlan(thing, args, session)
  if (args.has('prompt')) {
    return withCheckpoint(thing, args, session, (checkpoint) =>
      describePrompt(checkpoint, args, terminal),
    )
  }
  const kind = kindOf(thing, args)
  checkPurpose(kind, args)
  const model = kind === 'checkpoint' ? thing : (args.text('model') ?? defaultModel())
  return withCheckpoint(model, args, session, (checkpoint) =>
    DESCRIBE[kind](thing, checkpoint, args, session),
  )
}

type Kind = 'checkpoint' | 'picture' | 'clip'

const DESCRIBE = {
  checkpoint: describeCheckpoint,
  picture: describePicture,
  clip: describeClip,
} as const

/** Options that would do nothing. Throws UsageError. */
function checkPurpose(kind: Kind, args: Arguments): void {
  for (const name of ['image', 'raw'] as const) {
    if (args.has(name)) throw new UsageError(`--${name} goes with --prompt.`)
  }
  if (kind === 'checkpoint' && args.has('draw')) {
    throw new UsageError('--draw goes with a picture or a clip.')
  }
  for (const { name } of SAMPLING_OPTIONS) {
    if (kind !== 'clip' && args.has(name)) throw new UsageError(`--${name} goes with a clip.`)
  }
  const file = args.text('draw')
  if (file !== undefined) checkDrawingName(file)
}

/** Hub ids and folders of JSON files are checkpoints, folders of pictures and films clips, other files pictures. */
function kindOf(thing: string, args: Arguments): Kind {
  const given = args.text('as') as Kind | undefined
  if (!existsSync(thing)) return missingKind(thing)
  if (statSync(thing).isDirectory()) {
    if (given === 'clip') return given
    const names = readdirSync(thing)
    const isClip =
      names.some((name) => PICTURE.test(name)) && !names.some((name) => /\.json$/i.test(name))
    return isClip ? 'clip' : 'checkpoint'
  }
  if (thing.endsWith('.gguf')) return 'checkpoint'
  if (WEIGHTS.test(thing)) throw weightsAlone(thing)
  return given ?? (FILM.test(thing) ? 'clip' : 'picture')
}

/** Weights that say nothing of their model. */
const WEIGHTS = /\.(safetensors|bin|pth?|onnx)$/i

function weightsAlone(thing: string): InputError {
  return new InputError(
    'INPUT_WEIGHTS_ALONE',
    `inspect: ${thing} holds weights alone; give the folder that it lies in, where config.json is.`,
  )
}

function missingKind(thing: string): 'checkpoint' {
  const [kind] =
    Object.entries({ picture: PICTURE, clip: FILM }).find(([, name]) => name.test(thing)) ?? []
  if (kind === undefined) return 'checkpoint'
  throw new InputError(
    kind === 'clip' ? 'INPUT_VIDEO_MISSING' : 'INPUT_IMAGE_MISSING',
    `inspect: there is no ${kind} at ${thing}; check the path.`,
  )
}

async function withCheckpoint(
  name: string,
  args: Arguments,
  session: Session,
  use: (checkpoint: Checkpoint) => Promise<Description>,
): Promise<Description> {
  const progress = new Progress(session.terminal)
  const { signal } = session
  const options = { ...checkpointOptions(args, session), onProgress: progress.update, signal }
  const checkpoint = await openParts(name, options).finally(() => progress.end())
  try {
    return await use(checkpoint)
  } finally {
    checkpoint.close()
  }
}
