/** What help shows works: an example that cannot is followed by whoever is new. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRecipe } from '../train/recipe/parse-recipe.ts'
import { readRecipe, setValue } from '../train/index.ts'
import { parseArguments } from './parse-arguments.ts'
import { train } from './train.ts'
import { VERBS } from './verbs.ts'

const isMapping = (value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

// `--set model=vicuna-7b` took the place of the whole mapping, the untrained projector among it.
test('examples of recipes set what the recipe has, and are recipes then', async () => {
  const shipped = train.examples.filter((example) => example.startsWith('train recipes/'))
  assert.ok(shipped.length > 2)
  for (const example of shipped) {
    const { args } = (await parseArguments(example.split(' '), VERBS, '1.2.3'))!
    const written = await readRecipe(args.positionals[0]!)
    for (const assignment of args.texts('set')) {
      const keys = assignment.replace(/=.*/s, '').split('.')
      const value = keys.reduce<unknown>(
        (one, key) => (one as Record<string, unknown>)[key],
        written,
      )
      assert.ok(value !== undefined && !isMapping(value), `${example}: ${assignment}`)
    }
    parseRecipe(args.texts('set').reduce<unknown>(setValue, written))
  }
})
