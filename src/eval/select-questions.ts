/** A part of a benchmark's questions: the first ones, or drawn by a seed. Questions of one group stay together. */
import { Rng } from '../core/rng.ts'
import type { Question } from './question.ts'

/** In the order of the file. A drawn part is drawn without replacement; with groups it may be a little more than `limit`. */
export function selectQuestions(
  questions: readonly Question[],
  { limit, seed }: { readonly limit?: number | undefined; readonly seed?: number | undefined },
): readonly Question[] {
  if (limit === undefined || limit >= questions.length) return questions
  const groups = new Map<string, number[]>()
  questions.forEach(({ group }, i) => {
    const name = group ?? `#${i}`
    groups.set(name, [...(groups.get(name) ?? []), i])
  })
  const all = [...groups.values()]
  const order = seed === undefined ? all.map((_, i) => i) : new Rng(seed).permutation(all.length)
  const kept = new Set<number>()
  for (const g of order) {
    if (kept.size >= limit) break
    for (const i of all[g] as number[]) kept.add(i)
  }
  return questions.filter((_, i) => kept.has(i))
}
