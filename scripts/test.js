/**
 * Runs the compiled tests, all of them or those whose path holds one of the arguments:
 *
 *     node scripts/test.js [PART OF A PATH]…
 *
 * Some run as users do: a process for each file, all processors for each process. All of them have one processor a process,
 * and files of a folder share processes: starting and importing takes longer than most of them run.
 *
 * The list comes from the sources, so that what an older build left behind does not run. (`node --test` expands patterns
 * itself, but only from Node.js 21 on.)
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

const wanted = process.argv.slice(2)
// The long ones come first.
const sources = ['test', 'src', 'web/src'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(folder, name))
    .filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)))
    .sort(),
)
if (sources.length === 0) {
  console.error(`no tests with ${wanted.join(' or ')} in their path`)
  process.exit(1)
}

const compiled = (source) => join('build', source.replace(/\.ts$/, '.js'))

/** Those that look at their process, at its memory above all, have it for themselves. */
const LOOKS_AT_PROCESS = /collectGarbage|memoryUsage|resourceUsage|getActiveResourcesInfo/
const TOGETHER = 12
const GROUPS = join('build', 'test-groups')

/** Files that import others, each of which is a suite by its name. */
function grouped() {
  const alone = sources.filter((source) => LOOKS_AT_PROCESS.test(readFileSync(source, 'utf8')))
  const rooms = new Map()
  for (const source of sources.filter((one) => !alone.includes(one))) {
    const room = source.split(/[\\/]/).slice(0, -1).slice(0, 2).join('-')
    rooms.set(room, [...(rooms.get(room) ?? []), source])
  }
  rmSync(GROUPS, { recursive: true, force: true })
  mkdirSync(GROUPS)
  const groups = [...rooms].flatMap(([room, members]) => {
    const count = Math.ceil(members.length / TOGETHER)
    return Array.from({ length: count }, (_, k) => {
      const path = join(GROUPS, `${room}-${k + 1}.test.js`)
      // Neighbours are alike, long ones too: each group has some.
      writeFileSync(path, groupOf(members.filter((_, i) => i % count === k)))
      return path
    })
  })
  return [...groups, ...alone.map(compiled)]
}

function groupOf(members) {
  const suites = members.map((source) => {
    const path = JSON.stringify(`../../${compiled(source).replaceAll('\\', '/')}`)
    return `describe(${JSON.stringify(source)}, async () => {\n  await import(${path})\n})\n`
  })
  return `import { describe } from 'node:test'\n${suites.join('')}`
}

// A file that hangs is stopped and named. Some take half an hour with all recordings, or with all kills, on a busy machine.
const minutes = wanted.length === 0 && process.env.LLAVA_THOROUGH !== '1' ? 15 : 90
const options = ['--test', '--test-reporter=spec', `--test-timeout=${minutes * 60_000}`]
// Some only wait.
const concurrency = `--test-concurrency=${availableParallelism() + 1}`
// All of them keep the processors busy by themselves: pools of threads that wait for one another would double the time.
if (wanted.length === 0) {
  const alone = new URL('one-processor.js', import.meta.url).href
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${alone}`
}
const files = wanted.length === 0 ? grouped() : sources.map(compiled)
const child = spawn(process.execPath, [...options, concurrency, ...files], { stdio: 'inherit' })
child.on('exit', (code) => process.exit(code ?? 1))
