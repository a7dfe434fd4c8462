/** What a model card says of the run that made the model: recipe, data, and how the loss went. */
import type { Recipe } from './recipe/recipe.ts'
import type { RunData } from './run-data.ts'
import type { TrainEvent } from './run-events.ts'

export type NotesFacts = {
  readonly recipe: Recipe
  readonly data: Pick<RunData, 'records' | 'sources' | 'quarantine' | 'cursor'>
  readonly events: readonly TrainEvent[]
}

/** Rows of the table of losses. */
const ROWS = 12

export function modelNotes({ recipe, data, events }: NotesFacts): string {
  const { records, sources, quarantine, cursor } = data
  const paragraphs = [
    '## Data',
    `${records - quarantine.size} records, SHA-256 \`${cursor.records}\`; ${quarantine.size} of ${records} in quarantine.`,
    sourceTable(sources),
    '## Loss',
    lossTable(events),
    '## Recipe',
    `\`\`\`json\n${JSON.stringify(recipe, null, 2)}\n\`\`\``,
  ]
  return paragraphs.join('\n\n')
}

function sourceTable(sources: RunData['sources']): string {
  const rows = sources.map(
    ({ name, length, weight }) => `| ${name} | ${length} | ${weight ?? 'all once'} |`,
  )
  return ['| source | records | weight |', '| --- | --- | --- |', ...rows].join('\n')
}

/** The mean loss over equal parts of the run, and what was held out at their ends. */
function lossTable(events: readonly TrainEvent[]): string {
  const steps = events.filter((event) => event.kind === 'step')
  const evaluations = events.filter((event) => event.kind === 'evaluation')
  const size = Math.max(1, Math.ceil(steps.length / ROWS))
  const lines = ['| steps | training loss | held-out loss |', '| --- | --- | --- |']
  for (let start = 0; start < steps.length; start += size) {
    const part = steps.slice(start, start + size)
    const [first, last] = [part[0]?.step ?? 0, part.at(-1)?.step ?? 0]
    const mean = part.reduce((sum, { loss }) => sum + loss, 0) / part.length
    const held = evaluations.findLast(({ step }) => step >= first && step <= last)
    lines.push(`| ${first}–${last} | ${mean.toFixed(4)} | ${held ? held.loss.toFixed(4) : ''} |`)
  }
  return lines.join('\n')
}
