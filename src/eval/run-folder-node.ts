/**
 * The folder of a run: it belongs to one recipe, a score in it that a judge was paid for goes to no run without one, and no
 * file of the benchmark that lies there is written over.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import { writeFileWhole } from '../core/write-file-whole-node.ts'
import { isRow, type EvalFile, type Row } from './eval-file.ts'
import type { EvalRecipe } from './eval-recipe.ts'
import type { Judge } from './judge.ts'
import { judgesOfResult } from './results-node.ts'

/** Writes the recipe down. Throws InputError where the folder is another run's, or would lose a judge's score. */
export function claimFolder(
  out: string,
  {
    recipe,
    judges = [],
  }: { readonly recipe: EvalRecipe; readonly judges?: readonly Judge[] | undefined },
): void {
  const path = join(out, 'run.json')
  if (existsSync(path)) {
    const before: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const differing = isRow(before) ? differingKeys(before, recipe) : ['everything']
    if (differing.length > 0) {
      throw new InputError(
        'INPUT_OUT_OTHER_RUN',
        `eval: ${out} should be of this run, it was begun with another ${differing.join(', ')}; name another --out, or remove the folder.`,
      )
    }
  }
  if (judges.length === 0) keepJudged(out)
  writeFileWhole(path, `${JSON.stringify(recipe, null, 2)}\n`)
}

/**
 * Throws InputError where something else than what was read would be written in a file's place. `written`: what is to stand
 * in the folder, by name; null where it is not known yet.
 */
export function keepInputs(
  out: string,
  written: Readonly<Record<string, string | null>>,
  inputs: readonly EvalFile[],
): void {
  const texts = new Map(Object.entries(written).map(([name, text]) => [resolve(out, name), text]))
  const lost = inputs.find(({ path, text }) => {
    const next = path === undefined ? undefined : texts.get(resolve(path))
    return next !== undefined && next !== text
  })
  if (lost === undefined) return
  throw new InputError(
    'INPUT_OUT_INPUT',
    `eval: what is written should stand in no file's place that was read, ${lost.path} would be written over; name another --out.`,
  )
}

function keepJudged(out: string): void {
  const before = judgesOfResult(out)
  if (before.length === 0) return
  throw new InputError(
    'INPUT_OUT_JUDGED',
    `eval: a judge should come again, as the score in ${out} is by ${before.join(' and ')} and would be written over, none came; give --judge as before (its replies are kept), or name another --out.`,
  )
}

/** What answers do not depend on: it may change, and they are scored again. */
const OF_SCORES = ['hash', 'judge', 'labels', 'rule', 'training', 'wordNet']

function differingKeys(before: Row, recipe: EvalRecipe): string[] {
  const now: Row = { ...recipe }
  return Object.keys(now).filter(
    (key) =>
      !OF_SCORES.includes(key) &&
      JSON.stringify(asBegun(before[key], key)) !== JSON.stringify(asBegun(now[key], key)),
  )
}

/** A picture that was missing may have been put there since, and a commit of the same version may be about anything. */
function asBegun(part: unknown, key: string): unknown {
  if (key === 'code') return String(part).split('+')[0]
  return isRow(part) && 'media' in part ? { ...part, media: null } : part
}
