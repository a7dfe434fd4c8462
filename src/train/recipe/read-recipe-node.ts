/** Recipe files. */
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { ConfigError, InputError } from '../../core/errors.ts'

/** The YAML of a file, unchecked. Throws InputError where it cannot be read, ConfigError where it is no YAML. */
export async function readRecipeFile(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new InputError(
      'INPUT_RECIPE_MISSING',
      `recipe: expected a YAML file at ${path}, it cannot be read (${cause.code}); check the path.`,
      { cause },
    )
  })
  try {
    return parse(text)
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n')
    throw new ConfigError(
      'CONFIG_RECIPE',
      `recipe: ${path} should be YAML, it is not (${reason}); mend that line.`,
      { cause },
    )
  }
}
