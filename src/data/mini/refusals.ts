/** Questions that no picture answers, and what to say then. */
import type { Wishes } from './scene-questions.ts'
import type { Turn } from './turn.ts'

export const UNKNOWN_ANSWER = 'The picture does not show that.'

/** The sentence of the VizWiz benchmark, with which a single word is wanted. */
const UNANSWERABLE_PROMPT =
  "When the provided information is insufficient, respond with 'Unanswerable'."

/** What training asks; the test asks the others, so that it is not a matter of remembering. */
const TRAINED: readonly string[] = [
  'What is the name of the person who made this picture?',
  'When was this picture made?',
  'Where was this picture made?',
  'How old is the person who took this picture?',
  'What is the phone number of the owner?',
  'What did this cost?',
  'Who owns this?',
  'What happened just before this?',
  'What will happen next?',
  'What does it smell like?',
  'Which camera or program made this picture?',
  'What day of the week was it?',
  'What music was playing?',
  'Who is the picture meant for?',
  'What is behind the person holding the camera?',
  'How much does it weigh?',
  'What is the password of the artist?',
  'What is the favorite food of the artist?',
  'What was the weather like the day before?',
  'How many people have seen this picture?',
]

const TESTED: readonly string[] = [
  'What is the name of the person who drew this?',
  'Who took this picture?',
  'In which year was this picture made?',
  'In which city was this made?',
  'What is the email address of the owner?',
  'How much did the owner pay for it?',
  'What sound can be heard here?',
  'What will it look like tomorrow?',
  'Which language does the artist speak?',
  'What time was it when this was made?',
]

/** As a maker of scene questions; the scene does not matter. */
export function refuse(_scene: unknown, { lots }: Pick<Wishes, 'lots'>): Turn {
  return refusal(lots.pick(TRAINED), lots.chance(0.3))
}

/** A held-out question of the kind. */
export function refuseHeldOut({ lots }: Pick<Wishes, 'lots'>): Turn {
  return refusal(lots.pick(TESTED), lots.chance(0.3))
}

function refusal(question: string, isPrompted: boolean): Turn {
  return {
    task: 'unknowable',
    question: isPrompted ? `${question}\n${UNANSWERABLE_PROMPT}` : question,
    form: 'own',
    answer: isPrompted ? 'Unanswerable' : UNKNOWN_ANSWER,
  }
}
