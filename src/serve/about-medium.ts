/** Failures say which picture or clip of a prompt they are about. */
import { InputError } from '../core/errors.ts'

/**
 * What `work` gives. Its failure becomes an error of its own: prompts share what is decoded and fail together, but each gave
 * a medium of its own.
 */
export async function aboutMedium<T>(medium: unknown, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    throw new InputError(error.code, error.message, { cause: error, medium })
  }
}

/** What comes of all of them, at once. Of several that fail the first in order is told: which fails first is chance. */
export async function inOrderOf<M, T>(
  media: readonly M[],
  work: (medium: M) => Promise<T>,
): Promise<T[]> {
  const working = media.map(work)
  // Those behind one that failed are waited for by nobody.
  for (const one of working) one.catch(() => {})
  const done: T[] = []
  for (const one of working) done.push(await one)
  return done
}
