/** Where in a request's body its pictures, clips and lists of ids stand: what is wrong with one is found out long after it was read. */
const PATHS = new WeakMap<object, string>()

export function notePath(medium: object, path: string): void {
  PATHS.set(medium, path)
}

/** Null for what came from no body. */
export function pathOfMedium(medium: unknown): string | null {
  return (typeof medium === 'object' && medium !== null && PATHS.get(medium)) || null
}

/** Ids as a prompt; their place is told when they turn out to be none of the model's. */
export function idsAt(inputIds: readonly number[], path: string): { inputIds: readonly number[] } {
  notePath(inputIds, path)
  return { inputIds }
}
