/** What the answers of a model in this process depend on: what it is, how it is read, and the bytes behind it. */
import type { AnswerEngine } from '../eval/index.ts'
import { tokenizerFiles } from '../families/convert/tokenizer-files.ts'
import type { Model } from '../index.ts'
import { openParts, type Checkpoint, type CheckpointOptions } from '../load-checkpoint.ts'
import { generationOf } from '../load-model.ts'
import { hashFiles } from '../weights/index.ts'
import { hashesFile, listFolder } from '../weights/node.ts'
import type { Arguments } from './arguments.ts'
import { checkpointOptions, modelOf } from './load-flags.ts'
import type { Session } from './verb.ts'

type Called = { readonly args: Arguments; readonly session: Session }

/** Two models of one identity answer alike. */
export async function identityOf(
  model: Model,
  args: Arguments,
  session: Session,
): Promise<AnswerEngine['identity']> {
  const { config, precision, device } = model
  const name = modelOf(args)
  const options = checkpointOptions(args, session)
  return withCheckpoint(name, options, async (checkpoint) => ({
    kind: 'local',
    model: name.split(/[/\\]/).at(-1),
    weights: await hashed(checkpoint.files, { args, session }),
    tokenizer: await hashed(filesOfTokenizer(checkpoint.tokenizerPath), { args, session }),
    generation: generationOf(checkpoint, model.tokenizer),
    precision: {
      name: precision.name,
      kvCache: precision.kvCache,
      layers: args.texts('layer-precision'),
    },
    device,
    autoOrient: args.flag('auto-orient'),
    ...config,
  }))
}

export function weightsHash(args: Arguments, session: Session): Promise<string> {
  return localWeightsHash(modelOf(args), checkpointOptions(args, session), { args, session })
}

/** Of the bytes of all weight files. */
export function localWeightsHash(
  model: string,
  options: CheckpointOptions,
  called: Called,
): Promise<string> {
  return withCheckpoint(model, options, ({ files }) => hashed(files, called))
}

async function withCheckpoint<T>(
  model: string,
  options: CheckpointOptions,
  use: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  const checkpoint = await openParts(model, options)
  try {
    return await use(checkpoint)
  } finally {
    checkpoint.close()
  }
}

function hashed(files: readonly string[], { args, session }: Called): Promise<string> {
  const memoFile = hashesFile(args.text('cache-dir'))
  return hashFiles(files, { memoFile, signal: session.signal })
}

/** What `loadTokenizer` may read: the file that was named, and those beside it. */
function filesOfTokenizer(path: string): string[] {
  const found = tokenizerFiles(path)
  return listFolder(path) !== undefined || found.includes(path) ? found : [path, ...found]
}
