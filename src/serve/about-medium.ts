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
