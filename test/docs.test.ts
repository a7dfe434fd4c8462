/** What the pages say of the repository is so: files, links, scripts, verbs and families exist. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { VERBS } from '../src/cli/verbs.ts'
import { BENCHMARKS } from '../src/eval/index.ts'
import { FAMILIES } from '../src/families/index.ts'

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/architecture.md',
  'docs/decisions.md',
  'fixtures/README.md',
]

const sources = ['src', 'test', 'scripts', 'examples', 'bench/src'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
)
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  scripts: Record<string, string>
}

for (const page of PAGES) {
  const text = readFileSync(page, 'utf8')
  const all = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, found]) => found as string)
  describe(page, () => {
    test('links lead to files', () => {
      const targets = all(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)
      const missing = targets.filter((target) => !existsSync(join(dirname(page), target)))
      assert.deepEqual(missing, [])
    })

    test('source files that it names exist', () => {
      const isThere = (name: string) =>
        existsSync(name) ||
        existsSync(join('src', name)) ||
        (!name.includes('/') && sources.some((path) => basename(path) === name))
      const named = all(/`([\w./-]+\.(?:ts|js))`/g).filter(
        (name) => !/[A-Z]{2}|^\.|x\.(?:test|cases)/.test(name),
      )
      assert.deepEqual(
        named.filter((name) => !isThere(name)),
        [],
      )
    })

    test('scripts that it names exist', () => {
      const named = all(/npm run ([\w:-]+)/g)
      assert.deepEqual(
        named.filter((name) => scripts[name] === undefined),
        [],
      )
    })
  })
}

describe('README.md', () => {
  const text = readFileSync('README.md', 'utf8')

  test('names every verb of the command line and no other', () => {
    const named = [...text.matchAll(/^\| `llava (\w+)/gm)].map(([, verb]) => verb)
    assert.deepEqual(
      named,
      VERBS.map(({ name }) => name),
    )
  })

  test('names every family', () => {
    const named = [...text.matchAll(/`(\w[\w-]*)` +\|$/gm)].map(([, family]) => family)
    assert.deepEqual([...new Set(named)].sort(), FAMILIES.map(({ name }) => name).sort())
  })

  test('its second command is what .ci/run calls', () => {
    const command = readFileSync('.ci/run', 'utf8').trim().split('\n').at(-1) as string
    assert.ok(text.includes(`\n${command}\n`), command)
  })
})

describe('docs/evaluation.md', () => {
  const text = readFileSync('docs/evaluation.md', 'utf8')
  const rows = [...text.matchAll(/^\| (`.*) \|$/gm)].map(([, row]) =>
    (row as string).split(' | ').map((cell) => cell.trim()),
  )
  const namesIn = (cell = '') => [...cell.matchAll(/`([a-z][\w-]*)`/g)].map(([, name]) => name)
  const asked = rows.filter((row) =>
    namesIn(row[0]).some((name) => BENCHMARKS.some((one) => one.name === name)),
  )

  test('says of every benchmark from which file it is asked, and the first of its published rows', () => {
    for (const { name, ask, published } of BENCHMARKS) {
      const [files, prompts, ...others] = asked.filter((row) => namesIn(row[0]).includes(name))
      assert.ok(files && prompts && others.length === 0, name)
      const file = ask?.folder.questions ?? '.'
      // A download that is asked as it is has no file of its own.
      if (file !== '.') assert.ok(files[1]?.includes(`\`${file}\``), `${name}: ${file}`)
      const [first] = published
      assert.equal(prompts[3], first ? `${first.model} ${first.value}` : '–', name)
    }
  })

  test('names no benchmark that is not there', () => {
    const known = new Set(['quick', ...BENCHMARKS.map(({ name }) => name)])
    const named = asked.flatMap((row) => namesIn(row[0]))
    assert.deepEqual(
      named.filter((name) => !known.has(name as string)),
      [],
    )
  })
})
