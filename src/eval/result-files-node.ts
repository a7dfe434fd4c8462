/** What a run leaves in its folder: submissions, pictures of wrong answers, and last of all the result. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import { writeFileWhole } from '../core/write-file-whole-node.ts'
import type { Outcome } from './benchmark.ts'
import type { EvalReport } from './evaluate-node.ts'
import type { MediaFolder } from './media-node.ts'
import { questionFinder, type Picture, type Question } from './question.ts'
import { readMedium } from './read-medium-node.ts'
import { writeSheet } from './write-sheet-node.ts'

/** Pictures of the worst answers, so that a report needs nothing but the folder. */
export const EXAMPLES = 12

export async function keepExamples(
  out: string,
  {
    outcomes,
    questions,
    media,
  }: {
    readonly outcomes: readonly Outcome[]
    readonly questions: readonly Question[]
    readonly media: MediaFolder
  },
): Promise<void> {
  const find = questionFinder(questions)
  const examples = worstOf(outcomes, EXAMPLES)
  // Those of an earlier call are of other questions.
  rmSync(join(out, 'examples'), { recursive: true, force: true })
  for (const [i, outcome] of examples.entries()) {
    let kept = 0
    for (const picture of find(outcome)?.images ?? []) {
      const bytes = await bytesOf(picture, media)
      if (bytes === null) continue
      writeFileWhole(examplePath(out, i, kept++), bytes)
    }
  }
}

/** The pictures of a worst answer, in the question's order. */
export function readExample(out: string, example: number): Uint8Array[] {
  const pictures: Uint8Array[] = []
  for (;;) {
    const path = examplePath(out, example, pictures.length)
    if (!existsSync(path)) return pictures
    pictures.push(readFileSync(path))
  }
}

function examplePath(out: string, example: number, picture: number): string {
  return join(out, 'examples', `${example}${picture === 0 ? '' : `-${picture}`}.bin`)
}

async function bytesOf(picture: Picture, media: MediaFolder): Promise<Uint8Array | null> {
  try {
    const opened = await media.open(picture)
    return typeof opened === 'string' ? await readMedium(opened) : opened
  } catch (error) {
    // Its question is on record as one that could not be asked.
    if (error instanceof InputError) return null
    throw error
  }
}

/** The lowest scores, spread over the benchmark. The order is fixed: examples are numbered by it. */
export function worstOf<One extends Outcome>(outcomes: readonly One[], count: number): One[] {
  const wrong = outcomes.filter(({ score, given }) => score < 1 && given !== '')
  const lowest = [...wrong].sort((a, b) => a.score - b.score)
  const worst = lowest.filter(({ score }) => score === lowest[0]?.score)
  if (worst.length <= count) return lowest.slice(0, count)
  return Array.from(
    { length: count },
    (_, i) => worst[Math.floor((i * worst.length) / count)] as One,
  )
}

export function writeResult(out: string, { written, sheets, ...result }: EvalReport): void {
  for (const [name, text] of Object.entries(written)) writeFileWhole(join(out, name), text)
  for (const [name, rows] of Object.entries(sheets))
    writeFileWhole(join(out, name), writeSheet(rows))
  writeFileWhole(join(out, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
}
