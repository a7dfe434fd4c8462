/** The folder that a verb writes. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Arguments } from './arguments.ts'
import { UsageError } from './usage-error.ts'

/** The value of `--out`, which must be new or empty. Throws UsageError where it is missing or in the way. */
export function outFolder(args: Arguments, verb: string): string {
  const out = args.text('out')
  if (out === undefined) throw new UsageError(`llava ${verb} needs --out, the folder to write.`)
  if (existsSync(out) && (!statSync(out).isDirectory() || readdirSync(out).length > 0)) {
    throw new UsageError(`--out ${out} is there already and not an empty folder; choose another.`)
  }
  return resolve(out)
}

/** Of a verb that adds to what lies in the folder: throws UsageError where a file has its name. */
export function checkOutFolder(args: Arguments): void {
  const out = args.text('out')
  if (out === undefined || !existsSync(out) || statSync(out).isDirectory()) return
  throw new UsageError(`--out should be a folder, ${out} is a file; name another.`)
}
