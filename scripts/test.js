/**
 * Runs the compiled tests, all of them or those whose path holds one of the arguments:
 *
 *     node scripts/test.js [PART OF A PATH]…
 *
 * Some run as users do, with all processors each; all of them with one each.
 *
 * The list comes from the sources, so that what an older build left behind does not run. (`node --test` expands patterns
 * itself, but only from Node.js 21 on.)
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

const wanted = process.argv.slice(2)
const files = ['src', 'test', 'web/src'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join('build', folder, name.replace(/\.ts$/, '.js')))
    .filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)))
    .sort(),
)
if (files.length === 0) {
  console.error(`no tests with ${wanted.join(' or ')} in their path`)
  process.exit(1)
}
// A file that hangs is stopped and named.
const options = ['--expose-gc', '--test', '--test-reporter=spec', '--test-timeout=900000']
// Some only wait.
const concurrency = `--test-concurrency=${availableParallelism() + 1}`
// All of them keep the processors busy by themselves: pools of threads that wait for one another would double the time.
if (wanted.length === 0) {
  const alone = new URL('one-processor.js', import.meta.url).href
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${alone}`
}
const child = spawn(process.execPath, [...options, concurrency, ...files], { stdio: 'inherit' })
child.on('exit', (code) => process.exit(code ?? 1))
