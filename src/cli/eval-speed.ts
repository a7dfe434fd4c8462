/** What batches and caches are worth: some of a run's questions asked again, one by one, with nothing kept between them. */
import {
  MediaFolder,
  namedMedia,
  runQuestions,
  selectQuestions,
  type EvalReport,
} from '../eval/index.ts'
import type { Arguments } from './arguments.ts'
import { enginesOf } from './eval-engines.ts'
import type { Plan } from './eval-files.ts'
import { Progress } from './progress.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec, Session } from './verb.ts'

export const SPEED_OPTION: OptionSpec = {
  name: 'one-by-one',
  kind: 'number',
  value: 'n',
  about: 'Then ask n of the questions again one by one, and say how much faster the run was',
}

export type Speed = {
  readonly questions: number
  readonly perSecond: number
  /** The run's answers a second over these; null where the run was over before. */
  readonly ratio: number | null
}

/** How many questions are asked again. Throws UsageError before any is asked for the first time. */
export function oneByOneOf(args: Arguments): number | undefined {
  const count = args.number('one-by-one')
  const isWhole = count === undefined || (Number.isInteger(count) && count >= 1)
  // What a server keeps is not ours to say.
  if (isWhole && !(count !== undefined && args.has('engine'))) return count
  throw new UsageError('--one-by-one should be a whole number from 1, and come without --engine.')
}

/** Null where it was not asked for. */
export async function measureOneByOne(
  { benchmark, questions, mediaFolder }: Plan,
  { run }: Pick<EvalReport, 'run'>,
  args: Arguments,
  session: Session,
): Promise<Speed | null> {
  const count = oneByOneOf(args)
  if (count === undefined) return null
  const all = benchmark.ask?.questions(questions) ?? []
  const ofRun = selectQuestions(all, { limit: args.number('limit'), seed: args.number('seed') })
  // Drawn, so that they are of the run's kinds of questions.
  const asked = selectQuestions(ofRun, { limit: count, seed: args.number('seed') ?? 0 })
  await using alone = await enginesOf(args, session, {
    maxRows: 1,
    prefixCache: false,
    pictureBytes: 0,
  })
  const progress = new Progress(session.terminal)
  const media = new MediaFolder(mediaFolder, namedMedia(all))
  try {
    const start = performance.now()
    await runQuestions({
      questions: asked,
      engines: alone.engines,
      journal: { answered: new Set(), append: async () => {} },
      batch: 1,
      openPicture: (picture) => media.open(picture),
      openVideo: (name) => media.path(name),
      isBlind: args.flag('blind'),
      maxTokens: args.number('max-tokens'),
      signal: session.signal,
      now: () => performance.now(),
      onProgress: ({ done, total }) =>
        progress.update({ stage: 'one by one', done, total, item: `${done}/${total}` }),
    })
    const perSecond = (1000 * asked.length) / (performance.now() - start)
    const together = run.answered > 0 ? run.answered / run.seconds : null
    return { questions: asked.length, perSecond, ratio: together && together / perSecond }
  } finally {
    progress.end()
  }
}
