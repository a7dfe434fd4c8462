/** A run as one HTML page that needs nothing else: curves, warnings, and what was answered about held-out pictures. */
import { curveSvg, type CurvePoint } from './run-charts.ts'
import type { StepEvent, TrainEvent } from './run-events.ts'
import type { Recipe } from './recipe/recipe.ts'

export type ReportFacts = {
  readonly recipe: Recipe
  readonly events: readonly TrainEvent[]
  /** A picture as a data URL; null: it is left out. */
  readonly picture: (picture: AnswerPicture) => Promise<string | null>
}

/** A picture of the record whose answers stand in a row, by its place among the record's. */
export type AnswerPicture = {
  readonly row: number
  readonly at: number
  /** null: it lies inside the data file. */
  readonly file: string | null
}

export async function reportHtml({ recipe, events, picture }: ReportFacts): Promise<string> {
  const title = recipe.name || recipe.model.from
  const steps = events.filter((event) => event.kind === 'step')
  const start = events.findLast((event) => event.kind === 'start')
  const last = steps.at(-1)
  const sections = [
    `<h1>${escaped(title)}</h1>`,
    last && `<p>${summaryOf(last, start?.trainedParameters ?? 0)}</p>`,
    ...(await curves(steps, events)),
    warnings(events),
    await answers(events, picture),
    `<h2>Recipe</h2><pre>${escaped(JSON.stringify(recipe, null, 2))}</pre>`,
  ]
  return page(title, sections.filter((section) => section !== undefined).join('\n'))
}

function summaryOf(last: StepEvent, trained: number): string {
  const { step, totalSteps, loss, positionsPerSecond, remainingSeconds } = last
  const left = step < totalSteps ? `, ${Math.ceil(remainingSeconds / 60)} minutes left` : ''
  return `Step ${step} of ${totalSteps}, loss ${loss.toFixed(4)}, ${Math.round(positionsPerSecond)} tokens a second${left}; ${trained} parameters are trained.`
}

async function curves(
  steps: readonly StepEvent[],
  events: readonly TrainEvent[],
): Promise<string[]> {
  if (steps.length === 0) return []
  const held = events
    .filter((event) => event.kind === 'evaluation')
    .map(({ step, loss }) => ({ step, value: loss, line: 'held out' }))
  const of = (line: string, read: (event: StepEvent) => number) => thinned(steps, line, read)
  const svgs = await Promise.all([
    curveSvg({ title: 'loss', points: [...of('training', ({ loss }) => loss), ...held] }),
    curveSvg({
      title: 'gradient norm',
      points: of('before clipping', (e) => e.gradNorm),
      isLogarithmic: true,
    }),
    curveSvg({ title: 'learning rate', points: of('base rate', (e) => e.learningRate) }),
    curveSvg({ title: 'tokens a second', points: of('positions', (e) => e.positionsPerSecond) }),
  ])
  return ['<h2>Curves</h2>', ...svgs.map((svg) => `<figure>${svg}</figure>`)]
}

/** Points of a line that the eye can tell apart. */
const POINTS = 300

/** Means over equal runs of steps. */
function thinned(
  steps: readonly StepEvent[],
  line: string,
  read: (event: StepEvent) => number,
): CurvePoint[] {
  const size = Math.ceil(steps.length / POINTS)
  const points: CurvePoint[] = []
  for (let start = 0; start < steps.length; start += size) {
    const part = steps.slice(start, start + size)
    const value = part.reduce((sum, event) => sum + read(event), 0) / part.length
    points.push({ step: part.at(-1)?.step ?? 0, value, line })
  }
  return points
}

function warnings(events: readonly TrainEvent[]): string | undefined {
  const lines = events.flatMap((event) =>
    event.kind === 'warning' ? [`<li>Step ${event.step}: ${escaped(event.message)}</li>`] : [],
  )
  return lines.length === 0 ? undefined : `<h2>Warnings</h2><ul>${lines.join('')}</ul>`
}

/** A row for each question, a column for each time it was asked; the latest few. */
const COLUMNS = 6

async function answers(
  events: readonly TrainEvent[],
  picture: ReportFacts['picture'],
): Promise<string | undefined> {
  const asked = events.filter((event) => event.kind === 'answers').slice(-COLUMNS)
  const [first] = asked
  if (!first) return undefined
  const head = ['Picture', 'Question', 'Expected', ...asked.map(({ step }) => `Step ${step}`)]
  const rows = await Promise.all(
    first.answers.map(async ({ pictures, question, expected }, row) => {
      const said = asked.map((event) => event.answers[row]?.answer ?? '')
      const shown = pictures.map((file, at) => pictureTag({ row, at, file }, picture))
      const texts = [question.replaceAll('<image>', '').trim(), expected, ...said]
      const cells = texts.map((text) => `<td>${escaped(text)}</td>`)
      return `<tr><td>${(await Promise.all(shown)).join('')}</td>${cells.join('')}</tr>`
    }),
  )
  const heads = head.map((text) => `<th>${text}</th>`).join('')
  return `<h2>Answers</h2><table><tr>${heads}</tr>${rows.join('')}</table>`
}

async function pictureTag(shown: AnswerPicture, picture: ReportFacts['picture']): Promise<string> {
  const url = await picture(shown)
  const name = escaped(shown.file?.split(/[\\/]/).at(-1) ?? `picture ${shown.at + 1}`)
  return url === null ? name : `<img src="${escaped(url)}" alt="${name}" title="${name}">`
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 0 0 1rem; } table { border-collapse: collapse; } th, td { border: 1px solid #ccc; padding: .3rem .5rem;
text-align: left; vertical-align: top; } img { max-width: 8rem; max-height: 8rem; } pre { overflow: auto; background: #f5f5f5; padding: 1rem; }
</style>
${body}
</html>
`
}
