/** Against NLTK's numbers over the same part of WordNet: fixtures/eval/wordnet.py. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { score } from '../score.ts'
import { loadWordNet } from '../wordnet-node.ts'
import { contentWords, wups } from './wups.ts'

const FOLDER = 'fixtures/eval/wordnet'
const wordNet = loadWordNet(FOLDER)
const expected = JSON.parse(readFileSync(`${FOLDER}/expected.json`, 'utf8')) as {
  names: Record<string, string | null>
  forms: [string, 'noun' | 'verb' | 'adj' | 'adv', string[]][]
  similarity: [string, string, number | null][]
}

test('a word’s first sense is the one that NLTK lists first', () => {
  for (const [word, name] of Object.entries(expected.names)) {
    const sense = wordNet.firstSense(word)
    assert.equal(sense && wordNet.nameOf(`${sense.part} ${sense.offset}`), name, word)
  }
})

test('base forms are those of morphy, in its order', () => {
  for (const [word, part, forms] of expected.forms)
    assert.deepEqual(wordNet.baseForms(word, part), forms, `${word} ${part}`)
})

test('Wu and Palmer’s similarity is NLTK’s, across parts of speech too', () => {
  assert.ok(expected.similarity.length > 200)
  for (const [a, b, value] of expected.similarity) {
    const ours = wordNet.similarity(wordNet.firstSense(a)!, wordNet.firstSense(b)!)
    assert.ok(ours === value || Math.abs(ours! - value!) < 1e-12, `${a} ${b}: ${ours} for ${value}`)
  }
})

test('WUPS is 1 for equal words, symmetric, and a tenth below its threshold', () => {
  const at = (a: string, b: string, threshold: number) => wups(a, b, { wordNet, threshold })
  assert.equal(at('dog ball', 'ball dog', 0.9), 1)
  assert.equal(at('boy', 'girl', 0), at('girl', 'boy', 0))
  const loose = at('dog', 'table', 0)
  assert.ok(loose > 0 && loose < 0.9)
  assert.ok(Math.abs(at('dog', 'table', 0.9) - loose / 10) < 1e-12)
  assert.equal(at('', 'dog', 0), 0)
  assert.equal(at('xyzzy', 'dog', 0), 0)
  assert.equal(contentWords('The boys are playing with the Table.', wordNet), 'boy play table .')
})

test('NExT-QA’s open answers: WUPS in all, exact for counts and yes or no, TP with TN', async () => {
  const rows = [
    { doc_id: 0, answer: 'dog', type: 'DL', prediction: 'a dog' },
    { doc_id: 1, answer: 'two', type: 'DC', prediction: 'three' },
    { doc_id: 2, answer: 'run', type: 'TP', prediction: 'walk', additional_ref_answer: 'running' },
  ]
  const answers = [
    { name: 'a.jsonl', text: rows.map((row) => `${JSON.stringify(row)}\n`).join('') },
  ]
  const { metrics } = await score('nextqa-oe', { answers, wordNet })
  const values = Object.fromEntries(metrics.map(({ name, value }) => [name, value!]))
  assert.deepEqual([values['WUPS@0 DL'], values['WUPS@0 DC']], [100, 0])
  assert.ok(values['WUPS@0 TN']! > 0)
  assert.ok(values['WUPS@0']! > values['WUPS@0.9']! - 1e-9)
  await assert.rejects(score('nextqa-oe', { answers }), { code: 'INPUT_WORDNET_MISSING' })
  assert.throws(() => loadWordNet('fixtures/eval'), { code: 'INPUT_WORDNET_MISSING' })
})
