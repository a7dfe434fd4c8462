/** `llava data check`: what is in a data set, and what training would leave out of it and why. */
import {
  measureRecord,
  PictureCensus,
  surveyRecords,
  verdictOf,
  type Dataset,
  type PictureCounts,
  type RecordRules,
  type Survey,
  type TokenRule,
} from '../data/index.ts'
import type { Arguments } from './arguments.ts'
import { DATA_OPTIONS, type DataAction } from './data-action.ts'
import { summariseLengths, summariseMasks, tally, type LengthSummary } from './data-summary.ts'
import { THRESHOLD_OPTION, thresholdOf } from './data-threshold.ts'
import { formatTable } from './format.ts'
import { DATA_MODEL_OPTIONS, openData, openDataModel, type DataModel } from './open-data.ts'
import { Progress } from './progress.ts'
import { refuseIdle } from './refuse-idle.ts'
import { UsageError } from './usage-error.ts'
import type { Session } from './verb.ts'

/** Without a model words are counted, whatever a conversation is written like. */
const OF_MODEL = DATA_MODEL_OPTIONS.map(({ name }) => name)

const DEPTHS = ['header', 'decode', 'none'] as const

export const dataCheck: DataAction = {
  name: 'check',
  place: '<data>',
  about: 'counts, lengths, broken records and equal pictures',
  options: [
    {
      name: 'pictures',
      kind: 'text',
      choices: DEPTHS,
      about: 'How closely pictures and clips are looked at (default: header)',
    },
    THRESHOLD_OPTION,
    ...DATA_MODEL_OPTIONS,
    ...DATA_OPTIONS,
  ],
  examples: [
    'data check instruct.json --image-folder images/',
    'data check mixture.yaml --model llava-1.5-7b-hf --pictures decode --json',
  ],
  async run(args, session) {
    const threshold = thresholdOf(args)
    if (!args.has('model')) refuseIdle(args, OF_MODEL, 'without --model')
    if (args.has('model') && args.text('pictures') === 'none') {
      throw new UsageError('--model counts rows by sizes of pictures; leave out --pictures none.')
    }
    const progress = new Progress(session.terminal)
    try {
      await using dataset = await openData(args, session, progress)
      const name = args.text('model')
      await using model = name === undefined ? null : await openDataModel(name, args, session)
      const found = await look(dataset, { model, args, session, progress })
      progress.end()
      const report = reportOf(dataset, found, threshold)
      if (session.terminal.isJson) session.terminal.json(report)
      else
        for (const line of linesOf(args.positionals[1] as string, report))
          session.terminal.print(line)
      found.survey.quarantine.check(dataset.length, threshold)
    } finally {
      progress.end()
    }
  },
}

type Tools = {
  readonly model: DataModel | null
  readonly args: Arguments
  readonly session: Session
  readonly progress: Progress
}

type Found = {
  readonly survey: Survey
  readonly pictures: PictureCounts | null
  readonly origins: readonly string[]
}

async function look(dataset: Dataset, { model, args, session, progress }: Tools): Promise<Found> {
  const { signal } = session
  const pictures = (args.text('pictures') ?? 'header') as NonNullable<RecordRules['pictures']>
  // The counts of training itself, so that both leave out the same records.
  const tokens: TokenRule | undefined =
    model === null ? undefined : (record, sizes) => model.preparer.count(record, sizes)
  const rules = { pictures, tokens }
  const census = new PictureCensus()
  const origins: string[] = []
  const survey = await surveyRecords({
    count: dataset.length,
    whereOf: (index) => dataset.whereOf(index),
    check: (index) =>
      verdictOf(async () => {
        const record = await dataset.readEither(index)
        if (record.origin !== null) origins.push(record.origin)
        for (const image of record.images) census.add(image, dataset.whereOf(index))
        return measureRecord(record, rules)
      }),
    onProgress: progress.update,
    signal,
  })
  const compare = (done: number, total: number) =>
    progress.update({ stage: 'compare', done, total, item: '' })
  const counts = pictures === 'none' ? null : await census.count(compare, signal)
  return { survey, pictures: counts, origins }
}

type Report = ReturnType<typeof reportOf>

function reportOf(dataset: Dataset, { survey, pictures, origins }: Found, threshold: number) {
  const usable = survey.facts.flatMap((facts) => facts ?? [])
  const { quarantine } = survey
  return {
    records: dataset.length,
    usable: usable.length,
    sha256: dataset.sha256,
    modalities: tally(usable.map(({ modality }) => modality)),
    sources: dataset.sources.map(({ name, path, start, length, weight }) => ({
      name,
      path,
      records: length,
      usable: survey.facts.slice(start, start + length).filter((facts) => facts !== null).length,
      weight,
    })),
    origins: tally(origins),
    lengths: summariseLengths(usable),
    masks: summariseMasks(usable),
    pictures,
    quarantine: {
      count: quarantine.size,
      threshold,
      reasons: Object.fromEntries(quarantine.counts),
      records: quarantine.records,
    },
  }
}

/** Records and groups that are shown; `--json` has them all. */
const SHOWN = 5

function linesOf(name: string, report: Report): string[] {
  const { records, usable, modalities, sources, origins, lengths, masks, pictures } = report
  return [
    `${name}: ${records} records, ${usable} of them usable`,
    ...section('modality', Object.entries(modalities)),
    ...section(
      'source',
      sources.map((source) => [source.name, source.usable, `of ${source.records}`]),
    ),
    ...section('from', Object.entries(origins)),
    ...(lengths ? lengthLines(lengths) : []),
    ...(masks
      ? [
          `  learnt    ${masks.learnt} of ${masks.text} tokens of text (${(100 * masks.coverage).toFixed(1)} %), ${masks.media} of pictures`,
        ]
      : []),
    ...(pictures ? pictureLines(pictures) : []),
    ...quarantineLines(report),
  ]
}

function section(title: string, rows: readonly (readonly (string | number)[])[]): string[] {
  return formatTable(rows).map((line, i) => `  ${(i === 0 ? title : '').padEnd(10)}${line}`)
}

const BAR = 32

function lengthLines(lengths: LengthSummary): string[] {
  const { unit, total, shortest, median, percentile95, longest, histogram } = lengths
  const most = Math.max(...histogram.map(({ count }) => count))
  const note = unit === 'words' ? '; --model counts tokens' : ''
  return [
    `  ${unit.padEnd(10)}${total}; shortest ${shortest}, median ${median}, 95 % ${percentile95}, longest ${longest}${note}`,
    ...formatTable(
      histogram.map(({ from, to, count }) => [
        `from ${from}`,
        `to ${to - 1}`,
        count,
        '#'.repeat(Math.ceil((BAR * count) / most)),
      ]),
    ).map((line) => `            ${line}`),
  ]
}

function pictureLines({ pictures, duplicates }: PictureCounts): string[] {
  const rest = duplicates.length - SHOWN
  return [
    `  pictures  ${pictures}, ${equalGroups(duplicates.length)}`,
    ...duplicates.slice(0, SHOWN).map((names) => `            ${names.join(' = ')}`),
    ...(rest > 0 ? [`            and ${rest} more: --json`] : []),
  ]
}

function equalGroups(groups: number): string {
  if (groups === 0) return 'no two equal'
  return groups === 1 ? '1 group of them equal' : `${groups} groups of them equal`
}

function quarantineLines({ quarantine }: Report): string[] {
  const { count, reasons, records } = quarantine
  if (count === 0) return ['  broken    none']
  const shown = Object.entries(reasons).map(([reason, n]) => `${n} ${reason}`)
  return [
    `  broken    ${count}: ${shown.join(', ')}`,
    ...records.slice(0, SHOWN).map(({ where, message }) => `            ${where}: ${message}`),
    ...(count > SHOWN ? [`            and ${count - SHOWN} more: --json`] : []),
  ]
}
