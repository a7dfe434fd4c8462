/** Says which pictures carry an Exif orientation that is not applied: the model sees them lying on their side. */
import { readImageFile } from '../preprocess/node.ts'
import { probeImage } from '../preprocess/probe-image.ts'
import type { Arguments } from './arguments.ts'
import type { Terminal } from './terminal.ts'

export async function noteIgnoredOrientations(args: Arguments, terminal: Terminal): Promise<void> {
  if (args.flag('auto-orient')) return
  const turned: string[] = []
  for (const file of args.texts('image')) if (await carriesOrientation(file)) turned.push(file)
  if (turned.length > 0) terminal.note(orientationNote(turned))
}

export function orientationNote(files: readonly string[]): string {
  const verb = files.length === 1 ? 'carries' : 'carry'
  return `note: ${files.join(', ')} ${verb} an Exif orientation that is not applied, as in the reference; --auto-orient applies it.`
}

/** False for anything that is no readable local picture: whoever reads it says what is wrong. */
async function carriesOrientation(path: string): Promise<boolean> {
  try {
    return probeImage(await readImageFile(path)).orientation !== 1
  } catch {
    return false
  }
}
