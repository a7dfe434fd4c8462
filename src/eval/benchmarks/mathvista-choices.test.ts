import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namingPart, nearestChoice } from './mathvista-choices.ts'

/** Replies and options of the results that MathVista publishes (gpt-4 as judge), and of judges that say more than the value. */
test('MathVista: what names an option is read as the official script reads it', () => {
  for (const [reply, choices, named] of [
    ['B', ['3/11', '8/11'], '8/11'],
    ['(b) 8/11', ['3/11', '8/11'], '8/11'],
    ['**B.**', ['3/11', '8/11'], '8/11'],
    ['The correct answer is option B', ['3/11', '8/11'], '8/11'],
    ['The answer is Connor.', ['Aubrey', 'Connor'], 'Connor'],
    ['A) mice would increase', ['mice would increase', 'grass decreased'], 'mice would increase'],
    // Half of such a short text is its letter.
    ['B. 5', ['3', '5'], '5'],
    ['B) no', ['Yes', 'No'], 'No'],
    ['The answer is option C: 7', ['3', '5', '7'], '7'],
    ['No', ['yes', 'no'], 'no'],
    ['55', ['50°', '55°'], '55°'],
    ['130.0', ['150°', '130°'], '130°'],
    ['3.0', ['1', '2', '3', '6'], '3'],
    ['4/5', ['\\frac{6}{5}', '\\frac{4}{5}'], '\\frac{4}{5}'],
    ['4.40', ['3.85米', '4.40米'], '4.40米'],
    ["['Acuminate']", ['Truncate', 'Acuminate'], 'Acuminate'],
    ['45 degrees', ['15*\\degree', '45*\\degree'], '45*\\degree'],
    ['The answer', ['The answer', 'The question'], 'The answer'],
    // The model's number is no option: the next best, as MathVista has it.
    ['145', ['100', '140'], '140'],
  ] as const)
    assert.equal(nearestChoice(namingPart(reply, choices) ?? '', choices), named, reply)
})

test('MathVista: talk, the letter of no option, several letters and numbers among words name none', () => {
  for (const [reply, choices] of [
    ['As an AI I cannot say.', ['Yes', 'No']],
    ['N/A', ['A', 'B', 'C']],
    ['None', ['yes', 'no']],
    ['Cannot be determined', ['5', '10']],
    ['No answer can be extracted.', ['Yes', 'No']],
    ['The correct option is not provided.', ['6cm', '7cm']],
    ['8 3\nbecause', ['8', '3']],
    ['E', ['32', '39', '46', '78']],
    ['(A) 3/11 (B) 8/11', ['3/11', '8/11']],
    ['A. 5', ['3', '5']],
    ['24', ['Yes', 'No']],
    ['?', ['A', 'B']],
    ['', ['A', 'B']],
  ] as const)
    assert.equal(namingPart(reply, choices), null, reply)
})
