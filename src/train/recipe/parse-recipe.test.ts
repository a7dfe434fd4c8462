/** What a recipe may say, and what is said about one that cannot be followed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRecipe } from './parse-recipe.ts'
import { setValue } from './set-value.ts'

const LEAST = { model: 'm', stage: 'instruction', data: 'd.json', output: 'o' }

test('defaults are filled in by stage', () => {
  const instruction = parseRecipe(LEAST)
  assert.deepEqual(instruction.trainable, ['projector', 'decoder'])
  assert.equal(instruction.conversation, 'template')
  assert.deepEqual(instruction.length, { epochs: 1 })
  assert.equal(instruction.quarantine.threshold, 0.01)
  const alignment = parseRecipe({ ...LEAST, stage: 'alignment' })
  assert.deepEqual(
    [alignment.trainable, alignment.conversation, alignment.learningRate],
    [['projector'], 'plain', 1e-3],
  )
  const lora = parseRecipe({ ...LEAST, lora: { rank: 8 } })
  assert.deepEqual(lora.trainable, ['projector'])
  assert.equal(parseRecipe({ ...LEAST, batching: 'packed' }).normalisation, 'tokens')
})

test('everything that is wrong is said at once, unknown keys with the nearest known one', () => {
  const wrong = {
    ...LEAST,
    stage: 'pretrain',
    lerningRate: 1,
    schedule: { kind: 'cosinus', warmupStep: 3 },
    batchSize: 0.5,
    trainable: ['projector', 'tower'],
    epochs: 1,
    steps: 1,
    lora: { rank: 4, targets: '(' },
    data: {},
    preference: { beta: 0.1 },
    zzz: 1,
  }
  assert.throws(
    () => parseRecipe(wrong),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'CONFIG_RECIPE')
      for (const part of [
        /stage should be one of words, alignment, instruction, dpo, "pretrain" came/,
        /lerningRate is no key of a recipe \(did you mean learningRate\?\)/,
        /schedule\.warmupStep is no key of a recipe \(did you mean warmupSteps\?\)/,
        /schedule\.kind should be one of cosine, linear, constant, "cosinus" came/,
        /batchSize should be a (?:whole )?number of at least 1, 0.5 came/,
        /trainable should be of .*, tower came/,
        /epochs and steps both say/,
        /lora\.targets should be a regular expression/,
        /data\.path or datasets should name the records/,
        /preference belongs to stage dpo alone/,
        /zzz is no key of a recipe \(known are name, model/,
      ]) {
        assert.match(error.message, part)
      }
      return true
    },
  )
  assert.throws(() => parseRecipe('text'), /the file should be a mapping/)
  assert.throws(() => parseRecipe(null), /stage should be one of/)
})

// Clipping came back on with the card's own word for none.
test('what recipe.json writes under a key of recipes reads back as it was', () => {
  const plain = { ...LEAST, betas: [0.5, 0.6], lora: { rank: 4, targets: 'q_proj$' } }
  for (const written of [
    { ...plain, clipNorm: null, learningRates: { projector: 1e-3 } },
    { ...plain, clipNorm: 0.5, model: { from: 'm', adapters: ['a'], quirks: { fit: 'pad' } } },
    { ...plain, clipNorm: 'none', checkpoint: { everySteps: 5 }, schedule: { warmupSteps: 3 } },
    { ...LEAST, stage: 'dpo', preference: { beta: 0.2 }, answers: null, published: null },
  ]) {
    const recipe = JSON.parse(JSON.stringify(parseRecipe(written))) as Record<string, unknown>
    const { trainableFrom: _, length, data, ...fields } = recipe
    const { spec, ...folders } = data as Record<string, unknown>
    const again = parseRecipe({
      ...fields,
      ...(length as object),
      data: { path: spec, ...folders },
    })
    assert.deepEqual(JSON.parse(JSON.stringify(again)), { ...recipe, trainableFrom: 'recipe' })
  }
  for (const none of [null, 'none']) {
    assert.equal(parseRecipe({ ...LEAST, clipNorm: none }).clipNorm, null)
  }
  assert.equal(parseRecipe(setValue(LEAST, 'clipNorm=null')).clipNorm, null)
  assert.equal(parseRecipe(LEAST).clipNorm, 1)
})

test('a value of another kind is told as it came, and how it becomes a text', () => {
  for (const [assignment, told] of [
    ['betas.1=0.5', /betas should be a list of two numbers .*, {"1":0.5} came/],
    ['output=2026', /output should be a text, 2026 came \(quotes make it one: .*output="2026"/],
    ['name=true', /name should be a text, true came \(quotes make it one: .*name="true"/],
    ['name=[a]', /name should be a text, \["a"\] came\.$/],
  ] as const) {
    assert.throws(() => parseRecipe(setValue(LEAST, assignment)), told)
  }
  assert.equal(parseRecipe(setValue(LEAST, 'name="007"')).name, '007')
})

test('quirks that do not exist are told with the rest', () => {
  const quirks = { fot: 'pad', fit: 'padd', emptyBatch: 'zero' }
  assert.throws(
    () => parseRecipe({ ...LEAST, steps: 0, model: { from: 'm', quirks } }),
    /model\.quirks there is no fot.*fit should be pad.*emptyBatch should be zeroPicture, none.*steps/,
  )
  const known = { fit: 'pad', emptyBatch: 'none' }
  assert.deepEqual(
    parseRecipe({ ...LEAST, model: { from: 'm', quirks: known } }).model.quirks,
    known,
  )
})

test('--set replaces single values, in lists too, and reads them as YAML', () => {
  const set = (assignment: string) =>
    setValue({ a: { b: 1, c: 2 }, list: [{ x: 1 }, { x: 2 }] }, assignment)
  assert.deepEqual(set('a.b=5')['a'], { b: 5, c: 2 })
  assert.deepEqual(set('a.d=[x, 0.5]')['a'], { b: 1, c: 2, d: ['x', 0.5] })
  assert.deepEqual(set('list.1.x=y')['list'], [{ x: 1 }, { x: 'y' }])
  assert.deepEqual(set('new.one=a=b')['new'], { one: 'a=b' })
  assert.equal(set('a=')['a'], null)
  // A place that is not there was passed over, and an end of YAML's thrown as it was.
  for (const wrong of ['a', '=1', 'a..b=1', '.a=1', 'list.2.x=1', 'list.x=1', 'a.b=[1', 'a.b="']) {
    assert.throws(() => set(wrong), { code: 'INPUT_OPTION' })
  }
})

// The folder was gone, and the recipe refused for a `from` that it had.
test('--set keeps what a recipe says shortly', () => {
  const written = { ...LEAST, model: 'm', data: 'rows.json', evaluation: { data: ['a.json'] } }
  const set = (assignment: string) => parseRecipe(setValue(written, assignment))
  const { model } = set('model.quirks.fit=pad')
  assert.deepEqual([model.from, model.quirks], ['m', { fit: 'pad' }])
  const { data } = set('data.imageFolder=pictures')
  assert.deepEqual([data.spec, data.imageFolder], ['rows.json', 'pictures'])
  for (const [assignment, datasets] of [
    ['evaluation.data.imageFolder=pictures', ['a.json']],
    ['evaluation.data.0=b.json', ['b.json']],
  ] as const) {
    assert.deepEqual(set(assignment).evaluation?.data.spec, { datasets })
  }
  assert.equal(set('model=other').model.from, 'other')
})
