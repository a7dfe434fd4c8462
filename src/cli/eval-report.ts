/** `llava eval report FOLDER…`: one HTML page and a Markdown table over results. */
import { join } from 'node:path'
import { writeFileWhole } from '../core/write-file-whole-node.ts'
import { htmlReport, markdownReport, readReports } from '../eval/index.ts'
import type { Arguments } from './arguments.ts'
import { checkIdleBut } from './idle-options.ts'
import { checkOutFolder } from './out-folder.ts'
import type { Session } from './verb.ts'

export async function writeReports(args: Arguments, { terminal }: Session): Promise<void> {
  checkIdleBut(args, ['out', 'json'], 'report')
  checkOutFolder(args)
  const [, ...given] = args.positionals
  const folders = given.length > 0 ? given : ['eval-results']
  const results = readReports(folders)
  const out = args.text('out') ?? 'eval-report'
  const files = {
    [join(out, 'report.html')]: await htmlReport(results),
    [join(out, 'report.md')]: markdownReport(results),
  }
  for (const [path, text] of Object.entries(files)) writeFileWhole(path, text)
  const names = Object.keys(files)
  if (terminal.isJson) terminal.json({ results: results.length, files: names })
  else for (const name of names) terminal.print(`wrote ${name}`)
}
