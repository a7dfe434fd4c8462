/** What judges are called in results and in the names of their files: by their model; where two have one name, by where they are too. And what is told of one that was several. */
import type { Judge, Judged } from './judge.ts'
import { hashText } from './recipe-hash.ts'

export type JudgeName = { readonly shown: string; readonly file: string }

/** In the judges' order. */
export async function judgeNames(judges: readonly Judge[]): Promise<JudgeName[]> {
  const plain = judges.map(({ name }) => name.replaceAll(/[^\w.-]/g, '_'))
  // Some file systems take no notice of case.
  const folded = plain.map((name) => name.toLowerCase())
  const isShared = (i: number) => folded.filter((name) => name === folded[i]).length > 1
  return Promise.all(
    judges.map(async ({ name, place, identity }, i) => {
      const file = plain[i] as string
      if (!isShared(i)) return { shown: name, file }
      const hash = (await hashText(JSON.stringify(identity))).slice(0, 8)
      return { shown: `${name} (${place ?? hash})`, file: `${file}-${hash}` }
    }),
  )
}

/** Where replies are of several versions of one judge: how many of each; null where they are not. */
export function mixedVersions({ repliesOf }: Pick<Judged, 'repliesOf'>): string | null {
  if (!repliesOf) return null
  const counted = Object.entries(repliesOf).map(([version, count]) => `${count} of ${version}`)
  return `replies of several versions are mixed in this score: ${counted.join(', ')}`
}
