/** Says which pictures carry an orientation that is not applied: the model sees them lying on their side. */
import { readImageFile } from '../preprocess/node.ts'
import { isLeftLying } from '../preprocess/orient-image.ts'
import { probeImage } from '../preprocess/probe-image.ts'
import type { Arguments } from './arguments.ts'
import type { Terminal } from './terminal.ts'

export async function noteIgnoredOrientations(args: Arguments, terminal: Terminal): Promise<void> {
  const autoOrient = args.flag('auto-orient')
  const lying: string[] = []
  for (const file of args.texts('image')) if (await isFileLying(file, autoOrient)) lying.push(file)
  if (lying.length > 0) terminal.note(orientationNote(lying))
}

export function orientationNote(files: readonly string[]): string {
  const verb = files.length === 1 ? 'carries' : 'carry'
  return `note: ${files.map(shortName).join(', ')} ${verb} an orientation that is not applied, as in the reference; --auto-orient applies it.`
}

/** A data URL by its beginning: the rest is the picture itself. */
function shortName(file: string): string {
  return file.startsWith('data:') ? file.replace(/,.*$/s, ',…') : file
}

/** False for anything that is no readable local picture: whoever reads it says what is wrong. */
async function isFileLying(path: string, autoOrient: boolean): Promise<boolean> {
  try {
    return isLeftLying(probeImage(await readImageFile(path)), autoOrient)
  } catch {
    return false
  }
}
