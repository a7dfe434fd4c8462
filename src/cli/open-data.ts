/** The data set and the model that a command line is about. */
import { resolve } from 'node:path'
import { openDataset, type Dataset } from '../data/index.ts'
import { openParts, type Checkpoint } from '../load-checkpoint.ts'
import { createPreprocessor } from '../preprocess/index.ts'
import { loadTokenizer, type Tokenizer } from '../text/index.ts'
import { RecordPreparer } from '../train/prepare-record.ts'
import type { Arguments } from './arguments.ts'
import { CHECKPOINT_OPTIONS, checkpointOptions, MODEL_OPTION } from './load-flags.ts'
import { wholeFrom0 } from './number-options.ts'
import { Progress } from './progress.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec, Session } from './verb.ts'

export function openData(
  args: Arguments,
  { signal }: Session,
  progress: Progress,
): Promise<Dataset> {
  const path = (name: string) => {
    const given = args.text(name)
    return given === undefined ? undefined : resolve(given)
  }
  return openDataset(args.positionals[1] as string, {
    imageFolder: path('image-folder'),
    videoFolder: path('video-folder'),
    seed: seedOf(args),
    onProgress: progress.update,
    signal,
  })
}

export function seedOf(args: Arguments): number {
  return wholeFrom0(args, 'seed') ?? 0
}

/** Whose tokens count. */
export const DATA_MODEL_OPTIONS: readonly OptionSpec[] = [
  { ...MODEL_OPTION, about: 'Whose tokens, masks and tiles count: a folder or hub id' },
  {
    name: 'conversation',
    kind: 'text',
    value: 'mode',
    about: "A conversation mode such as v1 or plain (default: the model's own)",
  },
  {
    name: 'max-length',
    kind: 'number',
    value: 'tokens',
    about: 'Longer records do not fit (default: what the model takes)',
  },
  {
    name: 'frames',
    kind: 'number',
    value: 'n',
    about: "Frames of a clip (default: as the model's recipe has it)",
  },
  ...CHECKPOINT_OPTIONS,
]

export type DataModel = {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
  readonly preparer: RecordPreparer
  readonly maxLength: number
  [Symbol.asyncDispose](): Promise<void>
}

/** The model's configuration and tokenizer, and what makes samples of records for its training. No weights are read. */
export async function openDataModel(
  name: string,
  args: Arguments,
  session: Session,
): Promise<DataModel> {
  const progress = new Progress(session.terminal)
  const { signal } = session
  const options = {
    ...checkpointOptions(args, session),
    use: 'training' as const,
    onProgress: progress.update,
    signal,
  }
  const checkpoint = await openParts(name, options).finally(() => progress.end())
  const preprocessor = createPreprocessor()
  const dispose = async () => {
    checkpoint.close()
    await preprocessor.dispose()
  }
  try {
    const { config, tokenizerPath } = checkpoint
    const tokenizer = await loadTokenizer(tokenizerPath)
    const maxLength = Math.min(wholeFrom0(args, 'max-length') ?? Infinity, config.maxContext)
    const conversation = args.text('conversation') ?? 'template'
    const sampling = { frames: framesOf(args), fps: undefined }
    const parts = { config, tokenizer, preprocessor, conversation, maxLength, sampling }
    const preparer = new RecordPreparer(parts)
    return { checkpoint, tokenizer, preparer, maxLength, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

function framesOf(args: Arguments): number | undefined {
  const frames = wholeFrom0(args, 'frames')
  if (frames !== 0) return frames
  throw new UsageError('--frames should be at least 1; 0 came.')
}
