/** `llava inspect`: what a checkpoint, a picture, a clip or a prompt is to a model. Nothing is run. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { checkLoadOptions } from '../check-load-options.ts'
import { InputError } from '../core/errors.ts'
import { withClipOptions } from '../families/clip-options.ts'
import { openParts, type Checkpoint } from '../load-checkpoint.ts'
import { pathOfUrl } from '../preprocess/file-path-node.ts'
import { schemeOf } from '../preprocess/image-source.ts'
import type { Arguments } from './arguments.ts'
import { describeCheckpoint } from './inspect-checkpoint.ts'
import { checkDrawingName } from './drawing.ts'
import { describeClip } from './inspect-clip.ts'
import { describePicture } from './inspect-picture.ts'
import { describePlan } from './inspect-plan.ts'
import { describePrompt } from './inspect-prompt.ts'
import { defaultModel } from './package.ts'
import {
  checkpointOptions,
  clipOptions,
  LOOKING_OPTIONS,
  lookingOptions,
  SAMPLING_OPTIONS,
} from './load-flags.ts'
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
    ...LOOKING_OPTIONS,
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
    const thing = localPath(args.positionals[0] as string)
    const { facts, lines } = await describe(thing, args, session)
    const { terminal, signal } = session
    signal.throwIfAborted()
    if (terminal.isJson) terminal.json(facts)
    else for (const line of lines) terminal.print(line)
  },
}

/** A `file:` URL as the path that it means. */
function localPath(thing: string): string {
  return schemeOf(thing) === 'file' ? pathOfUrl('inspect', thing) : thing
}

async function describe(thing: string, args: Arguments, session: Session): Promise<Description> {
  const view = viewOf(thing, args)
  checkPurpose(view, args)
  const isOfModel = view === 'picture' || view === 'clip'
  const model = isOfModel ? (args.text('model') ?? defaultModel()) : thing
  checkLoadOptions(model, lookingOptions(args, session))
  if (view === 'plan') return describePlan(thing, args, session)
  return withCheckpoint(model, args, session, (checkpoint) =>
    DESCRIBE[view](thing, checkpoint, args, session),
  )
}

type Kind = 'checkpoint' | 'picture' | 'clip'
/** What is looked at, and how. */
type View = Kind | 'prompt' | 'plan'

const DESCRIBE = {
  checkpoint: describeCheckpoint,
  picture: describePicture,
  clip: describeClip,
  prompt: describePrompt,
} as const

function viewOf(thing: string, args: Arguments): View {
  const kind = kindOf(thing, args)
  const view = args.flag('plan') ? 'plan' : args.has('prompt') ? 'prompt' : kind
  if (view === kind || kind === 'checkpoint') return view
  throw new UsageError(
    `inspect: ${VIEW_NAMES[view]} goes with a checkpoint, ${thing} is ${VIEW_NAMES[kind]}; give the checkpoint in its place${kind === 'picture' ? ' and the picture by --image' : ''}.`,
  )
}

/** Options that are not for every view, with those that they are for: elsewhere they would do nothing. */
const VIEWS: Readonly<Record<string, readonly View[]>> = {
  prompt: ['prompt'],
  raw: ['prompt'],
  image: ['prompt', 'plan'],
  draw: ['picture', 'clip'],
  as: ['picture', 'clip'],
  fps: ['clip'],
  'force-sample': ['clip'],
  frames: ['clip', 'plan'],
  'rope-scaling': ['checkpoint', 'clip', 'prompt', 'plan'],
  'max-context': ['checkpoint', 'clip', 'prompt', 'plan'],
  'auto-orient': ['picture', 'prompt', 'plan'],
  template: ['checkpoint', 'prompt', 'plan'],
  tokenizer: ['checkpoint', 'prompt', 'plan'],
  precision: ['checkpoint', 'plan'],
  'layer-precision': ['checkpoint'],
  threads: ['checkpoint', 'plan'],
  'max-rows': ['checkpoint', 'plan'],
  'kv-cache': ['checkpoint', 'plan'],
}

const VIEW_NAMES: { readonly [V in View]: string } = {
  checkpoint: 'a checkpoint',
  picture: 'a picture',
  clip: 'a clip',
  prompt: '--prompt',
  plan: '--plan',
}

/** Throws UsageError for options that would do nothing. */
function checkPurpose(view: View, args: Arguments): void {
  for (const [name, views] of Object.entries(VIEWS)) {
    if (views.includes(view) || !args.has(name)) continue
    const others = views.map((one) => VIEW_NAMES[one]).join(' or ')
    throw new UsageError(`--${name} goes with ${others}, not with ${VIEW_NAMES[view]}.`)
  }
  const file = args.text('draw')
  if (file !== undefined) checkDrawingName(file)
}

/** Hub ids and folders of JSON files are checkpoints, folders of pictures and films clips, other files pictures. */
function kindOf(thing: string, args: Arguments): Kind {
  const given = args.text('as') as Kind | undefined
  if (!existsSync(thing)) return missingKind(thing)
  if (statSync(thing).isDirectory()) {
    if (given === 'picture') {
      throw new UsageError(`--as picture wants a file, ${thing} is a folder; leave it out.`)
    }
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
    const config = withClipOptions(checkpoint.config, clipOptions(args))
    return await use({ ...checkpoint, config })
  } finally {
    checkpoint.close()
  }
}
