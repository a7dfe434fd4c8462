/** `llava eval contamination BENCH… --mixture DATA`: what of a benchmark was in the training data. */
import { join, resolve } from 'node:path'
import { writeFileWhole } from '../core/write-file-whole-node.ts'
import { openDataset, PrintStore, type Contamination, type Dataset } from '../data/index.ts'
import { checkContamination } from '../eval/index.ts'
import { joinPath, userCacheFolder } from '../weights/node.ts'
import type { Arguments } from './arguments.ts'
import { benchmarkNames, planOf, type Plan } from './eval-files.ts'
import { formatTable } from './format.ts'
import { checkIdleBut } from './idle-options.ts'
import { checkOutFolder } from './out-folder.ts'
import { Progress } from './progress.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec, Session } from './verb.ts'

export const MIXTURE_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'mixture',
    kind: 'text',
    value: 'data',
    about: 'Training data to compare the questions with: a file or mixture as of llava train',
  },
  {
    name: 'mixture-images',
    kind: 'text',
    value: 'folder',
    about: 'Where its pictures begin (default: beside it)',
  },
].map((spec) => ({ ...spec, group: 'Training data' }) as OptionSpec)

/** Options that a check of training data goes by. */
const USED = [
  ...MIXTURE_OPTIONS.map(({ name }) => name),
  'data',
  'questions',
  'labels',
  'images',
  'cache-dir',
  'out',
  'json',
]

/** Compares with the data that `--mixture` names; with `contamination` alone, `--data` may name it too. */
export async function checkBenchmarks(args: Arguments, session: Session): Promise<void> {
  const [, ...names] = args.positionals
  if (names.length === 0) {
    throw new UsageError('llava eval contamination needs a benchmark, such as quick or pope.')
  }
  checkIdleBut(args, USED, 'contamination')
  checkOutFolder(args)
  const { terminal } = session
  const mixture = args.text('mixture') ?? args.text('data')
  if (mixture === undefined) {
    throw new UsageError('llava eval contamination needs --mixture (or --data), the training data.')
  }
  const out = args.text('out') ?? 'eval-results'
  const progress = new Progress(terminal)
  const results: object[] = []
  try {
    await using dataset = await openMixture(mixture, args, session, progress)
    const data = args.has('mixture') ? args.text('data') : undefined
    for (const name of benchmarkNames(names, args, data)) {
      const plan = await planOf(name, args, data)
      const found = await compare(plan, { dataset, args, session, progress })
      progress.end()
      const file = join(out, plan.benchmark.name, 'contamination.json')
      writeFileWhole(
        file,
        `${JSON.stringify({ benchmark: plan.benchmark.name, ...found }, null, 2)}\n`,
      )
      results.push({ benchmark: plan.benchmark.name, ...found, file })
      if (!terminal.isJson) {
        terminal.print(`${plan.benchmark.title} and ${mixture}`)
        for (const line of contaminationLines(found)) terminal.print(`  ${line}`)
        terminal.print(`  wrote ${file}`)
      }
    }
  } finally {
    progress.end()
  }
  if (terminal.isJson) terminal.json({ mixture, results })
}

/** The check that a run was asked for; null where it was not. */
export async function runContamination(
  plan: Plan,
  { args, session }: { readonly args: Arguments; readonly session: Session },
): Promise<Contamination | null> {
  const mixture = args.text('mixture')
  if (mixture === undefined) return null
  const progress = new Progress(session.terminal)
  try {
    await using dataset = await openMixture(mixture, args, session, progress)
    return await compare(plan, { dataset, args, session, progress })
  } finally {
    progress.end()
  }
}

export function openMixture(
  mixture: string,
  args: Arguments,
  { signal }: Session,
  progress: Progress,
): Promise<Dataset> {
  const images = args.text('mixture-images')
  return openDataset(mixture, {
    imageFolder: images === undefined ? undefined : resolve(images),
    onProgress: progress.update,
    signal,
  })
}

/** Prints of pictures are kept for later checks against the same data. */
export function printStore(args: Arguments): PrintStore {
  const folder = args.text('cache-dir') ?? userCacheFolder()
  return new PrintStore(joinPath(folder, 'picture-prints.jsonl'))
}

function compare(
  { benchmark, questions, mediaFolder }: Plan,
  parts: {
    readonly dataset: Dataset
    readonly args: Arguments
    readonly session: Session
    readonly progress: Progress
  },
): Promise<Contamination> {
  return checkContamination({
    benchmark,
    questions,
    mediaFolder,
    mixture: parts.dataset,
    prints: printStore(parts.args),
    onProgress: parts.progress.update,
    signal: parts.session.signal,
  })
}

const SHOWN = 10

export function contaminationLines(found: Contamination): string[] {
  const { items, withPictures, unreadable, pictures, texts, both, training, overlaps } = found
  const share = (count: number, of: number) =>
    of === 0 ? '' : `(${((100 * count) / of).toFixed(1)} %)`
  const total = (counts: { equal: number; near: number }) => counts.equal + counts.near
  const faults = [
    ...(unreadable > 0 ? [`${unreadable} questions without a readable picture`] : []),
    ...(training.unreadable > 0 ? [`${training.unreadable} pictures of the data unreadable`] : []),
    ...(training.broken > 0 ? [`${training.broken} records broken`] : []),
  ]
  return [
    `${items} questions, ${withPictures} with pictures; ${training.records} records with ${training.pictures} pictures`,
    ...formatTable([
      [
        'pictures',
        `${pictures.equal} equal`,
        `${pictures.near} near`,
        share(total(pictures), withPictures),
      ],
      ['texts', `${texts.equal} equal`, `${texts.near} near`, share(total(texts), items)],
      ['both in one record', both, '', share(both, items)],
    ]),
    ...(found.sources.length > 1
      ? formatTable([
          ['source', 'records', 'pictures', 'texts', 'both'],
          ...found.sources.map((one) => [one.name, one.records, one.pictures, one.texts, one.both]),
        ])
      : []),
    ...faults,
    ...overlaps.slice(0, SHOWN).map(({ id, picture, text }) => {
      const words = [
        ...(picture ? [`picture ${picture.kind} (${picture.bits} bits) ${picture.places[0]}`] : []),
        ...(text
          ? [`text ${text.kind} (${Math.round(100 * text.share)} %) ${text.places[0]}`]
          : []),
      ]
      return `${id}: ${words.join(', ')}`
    }),
    ...(overlaps.length > SHOWN ? [`and ${overlaps.length - SHOWN} more in the file`] : []),
    found.rule,
  ]
}
