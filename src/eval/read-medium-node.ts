/** The file of a picture or clip that a question names, whole: what goes to a server, into a key or into a report. */
import { InputError } from '../core/errors.ts'
import { readFileWhole } from '../core/read-file-whole-node.ts'

/** Throws InputError for what is no file and what cannot be read: the fault is the question's, no server's. */
export async function readMedium(path: string): Promise<Uint8Array> {
  try {
    return await readFileWhole(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const fault =
      code === undefined ? 'it is a folder, a pipe or a device' : `it cannot be read (${code})`
    throw new InputError(
      'INPUT_PICTURE_MISSING',
      `eval: ${path} should be the file of a picture or clip, ${fault}; put the file there, or check who may read it.`,
      { cause },
    )
  }
}
