/** Words, stems and parts of speech are NLTK's; files with other line ends and of mixed releases. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadWordNet } from '../wordnet-node.ts'
import { PerceptronTagger, type TaggerData } from './perceptron-tagger.ts'
import { porterStem } from './porter-stem.ts'
import { treebankWords } from './treebank-words.ts'
import { contentWords } from './wups.ts'

const recorded = JSON.parse(readFileSync('fixtures/eval/words.json', 'utf8')) as {
  stems: Record<string, string>
  words: [string, string[]][]
  tagger: TaggerData
  tags: [string[], string[]][]
}

test('stems are those of NLTK’s Porter', () => {
  for (const [word, stem] of Object.entries(recorded.stems))
    assert.equal(porterStem(word), stem, word)
})

test('sentences are cut as NLTK cuts them', () => {
  for (const [text, words] of recorded.words) assert.deepEqual(treebankWords(text), words, text)
})

test('words are tagged as by NLTK’s perceptron with the same weights', () => {
  const tagger = new PerceptronTagger(recorded.tagger)
  for (const [words, tags] of recorded.tags)
    assert.deepEqual(tagger.tag(words), tags, words.join(' '))
})

test('a dictionary with the tagger beside it, and with the line ends of Windows, is read; a mixed one is refused', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wordnet-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const name of readdirSync('fixtures/eval/wordnet')) {
    const text = readFileSync(join('fixtures/eval/wordnet', name), 'latin1')
    writeFileSync(join(folder, name), text.replaceAll('\n', '\r\n'), 'latin1')
  }
  const plain = loadWordNet('fixtures/eval/wordnet')
  const turned = loadWordNet(folder)
  const sense = plain.firstSense('dog')!
  assert.deepEqual(turned.firstSense('dog'), sense)
  assert.equal(turned.similarity(sense, sense), plain.similarity(sense, sense))
  assert.equal(turned.tagger, null)
  for (const [part, value] of Object.entries(recorded.tagger)) {
    const path = join(folder, `averaged_perceptron_tagger_eng.${part}.json`)
    writeFileSync(path, JSON.stringify(value))
  }
  const tagged = loadWordNet(folder)
  assert.equal(contentWords('The Dogs', tagged), 'dog')
  // A full stop within the text stuck to its word, which then was none of WordNet's.
  assert.equal(contentWords('A dog. A dog.', tagged), 'dog . dog .')
  writeFileSync(
    join(folder, 'data.noun'),
    ` \n${readFileSync(join(folder, 'data.noun'), 'latin1')}`,
  )
  const mixed = loadWordNet(folder)
  assert.throws(() => mixed.similarity(sense, sense), { code: 'INPUT_WORDNET_BROKEN' })
})
