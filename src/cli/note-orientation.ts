/** Says which pictures carry an Exif orientation that is not applied: the model sees them lying on their side. */
import { readFileSync } from 'node:fs'
import { probeImage } from '../preprocess/probe-image.ts'
import type { Arguments } from './arguments.ts'
import type { Terminal } from './terminal.ts'

export function noteIgnoredOrientations(args: Arguments, terminal: Terminal): void {
  if (args.flag('auto-orient')) return
  const turned = args.texts('image').filter(carriesOrientation)
  if (turned.length > 0) terminal.note(orientationNote(turned))
}

export function orientationNote(files: readonly string[]): string {
  const verb = files.length === 1 ? 'carries' : 'carry'
  return `note: ${files.join(', ')} ${verb} an Exif orientation that is not applied, as in the reference; --auto-orient applies it.`
}

/** False for anything that is no readable local picture: whoever reads it says what is wrong. */
export function carriesOrientation(path: string): boolean {
  try {
    return probeImage(readFileSync(path)).orientation !== 1
  } catch {
    return false
  }
}
