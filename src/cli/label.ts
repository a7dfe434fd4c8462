/** `llava label`: questions asked about every item of an input. */
import { InputError } from '../core/errors.ts'
import { label, type LabelEvent, type LabelProgress, type LabelReport } from '../label/index.ts'
import { formatDuration } from './format.ts'
import { LABEL_OPTIONS, labelEngines, labelOptions } from './label-flags.ts'
import { Progress } from './progress.ts'
import type { Verb } from './verb.ts'

export const labelVerb: Verb = {
  options: LABEL_OPTIONS,
  examples: [
    'label photos --prompt "Describe the picture." --out labels.jsonl',
    'label photos -p "What is it?" -p "What is wrong with it?" --schema answer.json --out labels.parquet',
    "label 'shards/train-{000..123}.tar' -p Describe --engine http://a:8000/v1 --engine http://b:8000/v1 --out l.parquet",
    'label rows.csv --media photos -p Describe --queue postgres://me@db/work --out labels.jsonl',
  ],
  async run(args, session) {
    const { terminal, signal } = session
    const options = labelOptions(args)
    const { engines, dispose } = labelEngines(args, session)
    const progress = new Progress(terminal)
    let [hasBegun, isOver] = [false, false]
    try {
      const onEvent = (event: LabelEvent) => {
        hasBegun = true
        show(event, progress)
      }
      const report = await label({ ...options, engines }, { onEvent, signal })
      isOver = true
      progress.end()
      if (terminal.isJson) terminal.json({ ...report, out: options.out ?? null })
      else for (const line of reportLines(report, options.out)) terminal.print(line)
      if (report.failed === report.items) throw allFailed(report)
    } catch (error) {
      progress.end()
      if (hasBegun && !isOver)
        terminal.note('What is done is kept: the same command goes on from there.')
      throw error
    } finally {
      progress.end()
      await dispose()
    }
  },
}

function show(event: LabelEvent, progress: Progress): void {
  const note = (item: string) => progress.update({ stage: 'notice', done: 0, total: 0, item })
  switch (event.type) {
    case 'progress':
      return progress.update({
        stage: 'label',
        done: event.done,
        total: event.items,
        item: progressText(event),
      })
    case 'writing':
      return progress.update({ stage: 'write', done: 0, total: 1, item: `${event.rows} rows` })
    case 'resumed':
      return note(`going on with a run: ${event.done + event.failed} items are done`)
    case 'left-out':
      return note(`left out ${event.path}: ${event.reason}`)
    case 'engine-lost':
      return note(`going on without ${event.engine}: ${event.reason}`)
    case 'engine-silent': {
      const { engine, seconds, questions } = event
      const asked = `${questions} question${questions === 1 ? '' : 's'}`
      return note(`${engine} has not answered for ${seconds} s, ${asked} under way`)
    }
    case 'waiting':
      return progress.update({
        stage: 'wait',
        done: 0,
        total: event.items,
        item: `for ${event.items} items that others are at`,
      })
  }
}

function progressText(event: LabelProgress): string {
  const { items, isListed, done, failed, itemsPerSecond, secondsLeft } = event
  return [
    `${done}/${items}${isListed ? '' : ' and more'}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(itemsPerSecond === null ? [] : [`${itemsPerSecond.toFixed(1)} items/s`]),
    ...(secondsLeft === null || !isListed ? [] : [`${formatDuration(secondsLeft)} left`]),
  ].join(', ')
}

function allFailed({ items, errors }: LabelReport): InputError {
  const codes = Object.keys(errors).join(', ') || 'in a run before'
  return new InputError(
    'INPUT_LABEL_FAILED',
    `label: some of ${items} items should have answers, all failed (${codes}); their rows say why, and --resume asks again.`,
  )
}

function reportLines(report: LabelReport, out: string | undefined): string[] {
  const { items, failed, skipped, engines, errors, seconds, itemsPerSecond, rows } = report
  const codes = Object.entries(errors).map(([code, count]) => `${code} ${count}`)
  return [
    `${items} items, ${failed} failed${codes.length > 0 ? ` (${codes.join(', ')})` : ''}; ${skipped} other files left out`,
    ...engines.map(({ engine, model, items: own }) => `  ${own} by ${model} in ${engine}`),
    `  ${seconds.toFixed(1)} s, ${itemsPerSecond.toFixed(2)} items/s`,
    ...(rows === null ? [] : [`wrote ${rows} rows to ${out}`]),
  ]
}
