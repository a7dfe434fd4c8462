/** How a report's charts call a model that has several results of one benchmark: in two precisions, by two judges. */
import { isRow } from './eval-file.ts'
import type { ReportedResult } from './report.ts'

/** The same results, where a benchmark and a model's name are one of them: bars of one name would lie upon one another. */
export function labelled(results: readonly ReportedResult[]): ReportedResult[] {
  const repeats = new Map<string, number>()
  return results.map((result) => {
    const name = `${result.run.model}${variantOf(result, results)}`
    const key = JSON.stringify([result.title, name])
    const repeat = (repeats.get(key) ?? 0) + 1
    repeats.set(key, repeat)
    return { ...result, run: { ...result.run, model: repeat === 1 ? name : `${name} #${repeat}` } }
  })
}

/** The precision, if that tells the model's variants apart, else their number; nothing where no benchmark has two. */
function variantOf(result: ReportedResult, results: readonly ReportedResult[]): string {
  const own = results.filter(({ run }) => run.model === result.run.model)
  const variants = [...new Set(own.map(identityOf))]
  const isRepeated = new Set(own.map(({ title }) => title)).size < own.length
  if (variants.length === 1 || !isRepeated) return ''
  const precisions = new Map(own.map((one) => [identityOf(one), precisionOf(one)]))
  const isTold = new Set(precisions.values()).size === variants.length
  const identity = identityOf(result)
  return isTold ? ` ${precisions.get(identity)}` : ` (${variants.indexOf(identity) + 1})`
}

function identityOf({ recipe }: ReportedResult): string {
  return JSON.stringify(recipe.model ?? null)
}

function precisionOf({ recipe }: ReportedResult): string {
  const precision = recipe.model?.['precision']
  return isRow(precision) ? String(precision['name']) : ''
}
