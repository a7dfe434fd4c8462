/** `llava inspect`: what a checkpoint, a picture or a prompt is to a model. Nothing is run. */
import { existsSync, statSync } from 'node:fs'
import { InputError } from '../core/errors.ts'
import { openParts, type Checkpoint } from '../load-checkpoint.ts'
import type { Arguments } from './arguments.ts'
import { describeCheckpoint } from './inspect-checkpoint.ts'
import { describePicture } from './inspect-picture.ts'
import { describePrompt } from './inspect-prompt.ts'
import { defaultModel } from './package.ts'
import { checkpointOptions, LOAD_OPTIONS } from './load-flags.ts'
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
      about: 'A picture in the prompt; repeat for more',
    },
    { name: 'raw', kind: 'flag', about: 'The prompt as it is, without a template' },
    ...LOAD_OPTIONS,
  ],
  examples: [
    'inspect llava-1.5-7b-hf',
    'inspect kitchen.jpg --model llava-1.5-7b-hf',
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
  if (args.has('prompt')) {
    return withCheckpoint(thing, args, session, (checkpoint) =>
      describePrompt(checkpoint, args, terminal),
    )
  }
  for (const name of ['image', 'raw'] as const) {
    if (args.has(name)) throw new UsageError(`--${name} goes with --prompt.`)
  }
  if (isWeights(thing)) {
    return withCheckpoint(thing, args, session, (checkpoint) =>
      describeCheckpoint(thing, checkpoint, args),
    )
  }
  return withCheckpoint(args.text('model') ?? defaultModel(), args, session, (checkpoint) =>
    describePicture(thing, checkpoint, args),
  )
}

/** Folders, .gguf files and hub ids are checkpoints; any other file is looked at as a picture. */
function isWeights(thing: string): boolean {
  if (!existsSync(thing)) {
    if (!/\.(png|jpe?g|webp|gif|tiff?|avif|bmp|p[bgp]m)$/i.test(thing)) return true
    throw new InputError(
      'INPUT_IMAGE_MISSING',
      `inspect: there is no picture at ${thing}; check the path.`,
    )
  }
  return statSync(thing).isDirectory() || thing.endsWith('.gguf')
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
