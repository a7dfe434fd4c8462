import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { tokenizerFromJson } from '../text/index.ts'
import { checkClip } from './check-clip.ts'
import { checkPicture } from './check-picture.ts'
import {
  checkRecord,
  measureRecord,
  verdictOf,
  wordCount,
  type RecordRules,
} from './check-record.ts'
import { tokensByMode } from './count-tokens.ts'
import { openDataset } from './dataset.ts'
import { Quarantine } from './quarantine.ts'
import { faultReasonOf, type FaultReason } from './record-fault.ts'
import type { DataRecord, RecordTurn } from './record.ts'
import { asked, scratchFolder } from './scratch.cases.ts'
import { surveyRecords } from './survey.ts'

const { folder, write } = scratchFolder()
const PICTURES = 'fixtures/pictures'
const jpeg = readFileSync(join(PICTURES, 'photo-640x480.jpg'))
const large = readFileSync(join(PICTURES, 'photo-1600x1200.jpg'))
const png = readFileSync(join(PICTURES, 'photo-500x333.png'))

const tokenizer = tokenizerFromJson(
  JSON.parse(readFileSync('fixtures/original/tokenizers/chatml/tokenizer.json', 'utf8')),
  { tokenizerConfig: { pad_token: '<|endoftext|>' } },
)
const tokens = tokensByMode('qwen_1_5', tokenizer, { imageRows: ({ width }) => width })

function recordOf(
  turns: readonly (readonly [RecordTurn['from'], string])[],
  images: readonly string[] = [],
): DataRecord {
  return {
    id: '0',
    source: 's',
    origin: null,
    images,
    videos: [],
    turns: turns.map(([from, value]) => ({ from, value })),
  }
}

async function reasonOf(record: DataRecord, rules: RecordRules = {}): Promise<FaultReason | null> {
  const verdict = await verdictOf(() => measureRecord(record, rules))
  return verdict.isUsable ? null : verdict.reason
}

test('whole pictures of every kind pass, and say their size', async () => {
  for (const depth of ['header', 'decode'] as const) {
    for (const name of [
      'photo-640x480.jpg',
      'photo-300x200.webp',
      'palette-240x180.png',
      'cmyk-240x240.jpg',
      'photo-1600x1200.jpg',
    ]) {
      const [, width, height] = /(\d+)x(\d+)/.exec(name)!.map(Number)
      const path = join(PICTURES, name)
      assert.deepEqual(await checkPicture(path, depth), { width, height }, name)
      assert.deepEqual(await checkPicture(readFileSync(path), depth), { width, height }, name)
    }
  }
})

test('cut files are found by their header and end alone', async () => {
  for (const [name, bytes] of Object.entries({ 'a.jpg': jpeg, 'large.jpg': large, 'b.png': png })) {
    for (const part of [0.999, 0.9, 0.5, 0.01]) {
      const path = write(name, bytes.subarray(0, Math.floor(part * bytes.length)))
      await assert.rejects(
        checkPicture(path, 'header'),
        { reason: 'picture-broken' },
        `${name} ${part}`,
      )
    }
  }
})

test('damage in the middle is found by decoding', async () => {
  const [holed, struck] = [Buffer.from(png), Buffer.from(large)]
  const middle = Math.floor(holed.length / 2)
  holed.fill(0, middle, middle + 400)
  // A marker in the scan: sharp gives the rest of the picture in one colour.
  struck.writeUInt16BE(0xff02, Math.floor(struck.length / 2))
  for (const [name, bytes, width, height] of [
    ['damaged.png', holed, 500, 333],
    ['damaged.jpg', struck, 1600, 1200],
  ] as const) {
    const path = write(name, bytes)
    assert.deepEqual(await checkPicture(path, 'header'), { width, height })
    await assert.rejects(checkPicture(path, 'decode'), { reason: 'picture-broken' }, name)
  }
})

test('bytes behind the end of a picture do no harm', async () => {
  const path = write('trailing.jpg', Buffer.concat([large, Buffer.alloc(9000, 1)]))
  assert.deepEqual(await checkPicture(path, 'header'), { width: 1600, height: 1200 })
})

test('missing, empty, foreign and enormous pictures have their reasons', async () => {
  await assert.rejects(checkPicture(join(folder, 'no.png'), 'header'), {
    reason: 'picture-missing',
  })
  await assert.rejects(checkPicture(write('empty.png', ''), 'header'), { reason: 'picture-broken' })
  await assert.rejects(checkPicture(write('text.png', 'hello'), 'header'), {
    reason: 'picture-broken',
  })
  await assert.rejects(checkPicture(folder, 'header'), { reason: 'picture-broken' })
  const bomb = Buffer.from(large)
  const frame = bomb.indexOf(Buffer.from([0xff, 0xc0]))
  bomb.writeUInt32BE(0xf000f000, frame + 5)
  await assert.rejects(checkPicture(write('bomb.jpg', bomb), 'header'), {
    reason: 'picture-broken',
  })
})

test('films are looked for, not opened; frames in a folder are looked at as pictures', async () => {
  await checkClip(write('frames/0.png', png).replace('/0.png', ''))
  await checkClip(write('film.mp4', 'x'))
  await checkClip(new Uint8Array(1))
  await assert.rejects(checkClip(write('none.mp4', '')), { reason: 'clip-broken' })
  await assert.rejects(checkClip(new Uint8Array(0)), { reason: 'clip-broken' })
  await assert.rejects(checkClip(join(folder, 'gone.mp4')), { reason: 'clip-missing' })
  const cut = write('frames/1.png', png.subarray(0, 900))
  await assert.rejects(checkClip(join(folder, 'frames'), 'header'), {
    reason: 'clip-broken',
    message: new RegExp(`its frame ${cut} cannot be used`),
  })
  const hole = Buffer.from(png).fill(0, png.length >> 1, (png.length >> 1) + 400)
  write('frames/1.png', hole)
  await checkClip(join(folder, 'frames'), 'header')
  await assert.rejects(checkClip(join(folder, 'frames'), 'decode'), { reason: 'clip-broken' })
})

// Training stopped at the step that showed the frame, and could not go on without the record.
test('decoded clips are those whose every frame can be shown', async () => {
  const gif = readFileSync(join(PICTURES, 'animated-160x160.gif'))
  const y4m = readFileSync('fixtures/clips/420.y4m')
  for (const bytes of [gif, y4m]) {
    for (const clip of [write('whole', bytes), bytes]) await checkClip(clip, 'decode')
  }
  const cut = gif.subarray(0, 2000)
  for (const clip of [write('cut.gif', cut), cut]) {
    await checkClip(clip, 'header')
    await assert.rejects(checkClip(clip, 'decode'), {
      reason: 'clip-broken',
      message: /^clip: .* cannot be used \(.*the file ends early.*leave the record out\.$/,
    })
  }
})

test('a decoder that is not installed is no fault of a record', () => {
  const missing = new InputError('INPUT_VIDEO_DECODER', 'video: ffmpeg was not found')
  assert.equal(faultReasonOf(missing), null)
  const broken = new InputError('INPUT_VIDEO_UNREADABLE', 'video: it cannot be decoded')
  assert.equal(faultReasonOf(broken), 'clip-broken')
})

test('question and answer take turns; an answer before the first question is left out, as the original does', async () => {
  const [q, a] = [['human', 'q'] as const, ['gpt', 'a'] as const]
  assert.equal(await reasonOf(recordOf([q, a, q, a])), null)
  assert.equal(await reasonOf(recordOf([a, q, a])), null)
  for (const turns of [[q], [a], [q, q, a], [q, a, a], [q, a, q], [a, a, q]]) {
    assert.equal(await reasonOf(recordOf(turns)), 'order', JSON.stringify(turns))
  }
})

test('there are as many places as pictures', async () => {
  const path = join(PICTURES, 'photo-100x100.png')
  const places = (count: number) =>
    recordOf(
      [
        ['human', `${'<image>'.repeat(count)} q`],
        ['gpt', 'a'],
      ],
      [path],
    )
  assert.equal(await reasonOf(places(1)), null)
  assert.equal(await reasonOf(places(0)), 'places')
  assert.equal(await reasonOf(places(2)), 'places')
  assert.equal(
    await reasonOf(
      recordOf([
        ['human', 'what is <image>?'],
        ['gpt', 'a'],
      ]),
    ),
    'places',
  )
})

test('tokens are counted with the rows of pictures, and too many do not fit', async () => {
  const path = join(PICTURES, 'photo-500x333.png')
  const record = recordOf(
    [
      ['human', '<image>\nWhat?'],
      ['gpt', 'A cat.'],
    ],
    [path],
  )
  const { tokens: counts } = await measureRecord(record, { tokens })
  assert.equal(counts!.media, 500)
  assert.equal(counts!.longest, counts!.total)
  assert.ok(counts!.learnt > 2 && counts!.learnt < counts!.total - 500)
  assert.equal(await reasonOf(record, { tokens, maxLength: counts!.total }), null)
  assert.equal(await reasonOf(record, { tokens, maxLength: counts!.total - 1 }), 'too-long')
})

test('a mask that the original would get wrong is a fault, and so is one that learns nothing', async () => {
  const llama2 = tokensByMode('llava_llama_2', tokenizer)
  const record = recordOf([
    ['human', 'q [/INST] '],
    ['gpt', 'a [/INST] b'],
  ])
  assert.equal(await reasonOf(record, { tokens: llama2 }), 'labels')
  const plain = tokensByMode('plain', tokenizer)
  assert.equal(
    await reasonOf(
      recordOf([
        ['human', 'q'],
        ['gpt', 'a'],
      ]),
      { tokens: plain },
    ),
    'labels',
  )
})

test('words are those of Python: no-break and ideographic spaces part them, a zero-width one does not', () => {
  const value = ' one\u00a0two\u3000three\u200bstill \n\tfour\u001cfive '
  assert.equal(
    wordCount(
      recordOf([
        ['human', value],
        ['gpt', 'six'],
      ]),
    ),
    6,
  )
})

test('both answers of a preference record are measured', async () => {
  const rows = [
    { id: '0', prompt: 'q', chosen: 'a longer answer', rejected: 'no' },
    { id: '1', prompt: 'q', chosen: 'a', rejected: 'a much longer answer than the first' },
  ]
  await using data = await openDataset(write('pairs.json', rows))
  const counts = await Promise.all(
    rows.map(async (_, i) => {
      const verdict = await checkRecord(data, i, { kind: 'preference', tokens })
      return verdict.isUsable ? verdict.facts.tokens! : null
    }),
  )
  for (const one of counts) assert.ok(one!.longest < one!.total && one!.longest > one!.total / 2)
  const longest = counts[1]!.longest
  const rules = { kind: 'preference', tokens, maxLength: longest - 1 } as const
  assert.deepEqual((await checkRecord(data, 0, rules)).isUsable, true)
  assert.deepEqual((await checkRecord(data, 1, rules)).isUsable, false)
  const wrong = await checkRecord(data, 0, { kind: 'conversation' })
  assert.equal(wrong.isUsable ? null : wrong.reason, 'structure')
})

async function survey(broken: number) {
  const path = join(process.cwd(), PICTURES, 'photo-100x100.png')
  const rows = Array.from({ length: 200 }, (_, i) =>
    asked(String(i), i < broken ? ['no.png'] : i % 2 ? [path] : []),
  )
  await using data = await openDataset(write(`broken-${broken}.json`, rows))
  return await surveyRecords({
    count: data.length,
    whereOf: (index) => data.whereOf(index),
    check: (index) => checkRecord(data, index),
  })
}

test('one percent of broken records is left out and counted; more stops the run before it begins', async () => {
  const { facts, quarantine } = await survey(2)
  assert.deepEqual(
    facts.map((one, i) => (one ? -1 : i)).filter((i) => i >= 0),
    [0, 1],
  )
  assert.deepEqual([...quarantine.counts], [['picture-missing', 2]])
  assert.equal(quarantine.records[0]!.where, 'data: broken-2[0]')
  quarantine.check(200)
  const worse = await survey(3)
  assert.throws(() => worse.quarantine.check(200), {
    code: 'CONFIG_QUARANTINE',
    message:
      /at most 1 % of 200 records, 3 came: 3 picture-missing .* The first is data: broken-3\[0\]: /,
  })
  worse.quarantine.check(200, 0.02)
  // At most 100 % were expected, and 3 of 3 came.
  for (const threshold of [0.01, 1]) {
    assert.throws(() => worse.quarantine.check(3, threshold), {
      code: 'CONFIG_QUARANTINE',
      message: /expected records .*, none of 3 is usable: 3 picture-missing .* Mend the data\.$/,
    })
  }
})

test('what is not about the records ends a survey at once', async () => {
  let begun = 0
  const check = async () => {
    if (++begun === 3) throw new Error('the disk is gone')
    return { isUsable: false, reason: 'order', message: '' } as const
  }
  const all = surveyRecords({ count: 1000, whereOf: String, check })
  await assert.rejects(all, { message: 'the disk is gone' })
  assert.ok(begun < 20)
})

test('a place that the message begins with is told once', () => {
  const quarantine = new Quarantine()
  const where = 'data: rows[3]'
  quarantine.add({ where, reason: 'structure', message: `${where}: id is missing.` })
  assert.deepEqual(quarantine.records, [{ where, reason: 'structure', message: 'id is missing.' }])
})
