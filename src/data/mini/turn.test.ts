import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  choiceTurn,
  converse,
  distinctTurns,
  fullQuestion,
  LETTER_PROMPT,
  LETTERS,
  tellingWords,
  verdict,
  WORD_PROMPT,
  type Turn,
} from './turn.ts'

const color: Turn = {
  task: 'color',
  question: 'What color?',
  form: 'word',
  answer: 'Red',
  sentence: 'It is red.',
}
const isThere = verdict('presence', 'Is it there?', {
  isTrue: false,
  yes: 'it is',
  no: 'it is not',
})
const own: Turn = { task: 'json', question: 'In JSON?', form: 'own', answer: '{}' }
const choice = choiceTurn('choice', 'Which?', { right: 'r', wrong: ['x', 'y', 'z'], letter: 'C' })

test('a brief conversation asks for a form where the form changes', () => {
  const values = converse([color, own, isThere, choice, color], true).map(({ value }) => value)
  assert.deepEqual(values, [
    `<image>\nWhat color?\n${WORD_PROMPT}`,
    'Red',
    'In JSON?',
    '{}',
    'Is it there?',
    'No',
    `Which?\nA. x\nB. y\nC. r\nD. z\n${LETTER_PROMPT}`,
    'C',
    `What color?\n${WORD_PROMPT}`,
    'Red',
  ])
})

test('otherwise answers are sentences and no form is asked for, except of letters', () => {
  const values = converse([color, isThere, choice], false).map(({ value }) => value)
  assert.deepEqual(values.slice(0, 4), [
    '<image>\nWhat color?',
    'It is red.',
    'Is it there?',
    'No, it is not.',
  ])
  assert.ok(values[4]?.endsWith(LETTER_PROMPT))
})

test('as many tags come first as there are pictures', () => {
  assert.equal(converse([own], true, 2)[0]?.value, '<image>\n<image>\nIn JSON?')
  assert.equal(converse([own], true, 0)[0]?.value, 'In JSON?')
})

test('the right option stands at its letter', () => {
  for (const letter of LETTERS) {
    const { answer, choices } = choiceTurn('t', 'q', { right: 'r', wrong: ['1', '2', '3'], letter })
    assert.equal(choices?.[LETTERS.indexOf(answer)], 'r')
    assert.equal(choices.length, 4)
  }
})

test('a held-out question says its form by itself', () => {
  assert.equal(fullQuestion(color), `What color?\n${WORD_PROMPT}`)
  assert.equal(fullQuestion(own), 'In JSON?')
})

test('a question is not asked twice in the same form', () => {
  assert.deepEqual(distinctTurns([color, own, color]), [color, own])
})

test('of a caption those words stay that other pictures would not have', () => {
  assert.equal(tellingWords('A photo of a long-sleeve top.'), 'long-sleeve top')
  assert.equal(tellingWords('A bar chart: A 8 and B 9.'), 'bar chart A 8 B 9')
  assert.equal(tellingWords('The picture shows a photo.'), 'The picture shows a photo')
})
