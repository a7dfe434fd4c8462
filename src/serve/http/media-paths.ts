/** Where in a request's body its pictures and clips stand: what is wrong with one is found out long after it was read. */
const PATHS = new WeakMap<object, string>()

export function notePath(medium: object, path: string): void {
  PATHS.set(medium, path)
}

/** Null for what came from no body. */
export function pathOfMedium(medium: unknown): string | null {
  return (typeof medium === 'object' && medium !== null && PATHS.get(medium)) || null
}
