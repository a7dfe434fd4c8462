/** Questions and answers of a run, what fails in it, and runs that are stopped and go on. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { InputError } from '../core/errors.ts'
import type { GenerateRequest } from '../serve/request.ts'
import { label, type LabelEvent, type LabelModel, type LabelOptions } from './index.ts'
import {
  root,
  newPath,
  png,
  folderOf,
  type Asked,
  echo,
  shaOf,
  run,
} from '../../test/label-runs.ts'

describe('questions', () => {
  const input = folderOf(['1.png', '2.png', '3.png'])

  test('about one item follow one another, with the system message and the options', async () => {
    const asked: Asked[] = []
    const prompts = ['a?', 'b?', 'c?']
    await run({
      input,
      prompts,
      system: 'be brief',
      maxTokens: 9,
      seed: 4,
      engines: [{ model: echo(asked), name: 'echo', batch: 1 }],
    })
    assert.deepEqual(
      asked.map(({ text }) => text),
      [...prompts, ...prompts, ...prompts],
    )
    // The largest first: the file that was written last.
    assert.deepEqual(new Set(asked.slice(0, 3).flatMap(({ media }) => media)).size, 1)
    const { messages, maxTokens, seed } = asked[0]!.request as GenerateRequest & {
      messages: { role: string; content: unknown }[]
    }
    assert.deepEqual(messages[0], { role: 'system', content: 'be brief' })
    assert.deepEqual([maxTokens, seed], [9, 4])
  })

  test('with a schema give answers that are read, in columns of their own in Parquet', async () => {
    const schema = {
      type: 'object',
      properties: { n: { type: 'integer' }, say: { type: 'string' }, list: { type: 'array' } },
    }
    const { lines } = await run({ input, schema })
    assert.deepEqual(lines[0]!.answer, { n: 5, say: 'what?', list: [1] })
    assert.deepEqual(lines[0]!.usage, { prompt_tokens: 3, completion_tokens: 2 })
    const { out } = await run({ input, schema, out: newPath('out.parquet') })
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(out) })
    assert.equal(rows.length, 3)
    assert.deepEqual(
      { ...rows[0] },
      {
        item_id: '1.png',
        prompt_id: 'p1',
        text: JSON.stringify({ n: 5, say: 'what?', list: [1] }),
        answer_n: 5n,
        answer_say: 'what?',
        answer_list: '[1]',
        finish_reason: 'stop',
        prompt_tokens: 3n,
        completion_tokens: 2n,
        model: 'echo',
        error_code: null,
        error: null,
      },
    )
  })

  test('whose answers are no JSON though they should be are errors, with the answer', async () => {
    const model: LabelModel = {
      generate: async (request) => ({ ...(await echo().generate(request)), text: '{"n": 1' }),
    }
    const engines = [{ model, name: 'cut' }]
    const { lines, report } = await run({ input, schema: { type: 'object' }, engines })
    assert.deepEqual(
      [lines[0]!.text, lines[0]!.answer, lines[0]!.error!.code],
      ['{"n": 1', null, 'INPUT_LABEL_JSON'],
    )
    assert.equal(report.failed, 3)
  })

  test('that no option names are refused all at once', async () => {
    const wrong = { promts: ['x'], out: 'a.txt', engines: [], prompts: [] } as object
    await assert.rejects(label({ input, ...wrong } as unknown as LabelOptions), (error: Error) => {
      assert.ok(error instanceof InputError)
      assert.match(error.message, /promts.*did you mean prompts/)
      assert.match(error.message, /engines[^]*out should be/)
      return true
    })
    await assert.rejects(run({ input, temperature: -1 }), { code: 'INPUT_OPTION' })
    const schema = { type: 'object', dependentRequired: {} }
    await assert.rejects(run({ input, schema }), /dependentRequired/)
  })

  test('that are of another kind, or of no use, are refused by name, those of engines too', async () => {
    const model = echo()
    const wrong: [object, RegExp][] = [
      [{ engines: [{ model, name: 'm', bacth: 3 }] }, /engines\[0\]\.bacth.*did you mean batch/],
      [{ engines: [{ model }] }, /engines\[0\]\.name should be a text/],
      [{ engines: [{ model: {}, name: 'm' }] }, /engines\[0\]\.model should be a loaded model/],
      [{ engines: [{ url: 'ftp://x' }] }, /engines\[0\]\.url should be a URL/],
      [{ engines: [{ url: 'http://x', attempts: 0 }] }, /engines\[0\]\.attempts should be/],
      [{ engines: [{ url: 'http://x', timeoutMs: 1e6 }] }, /timeoutMs should be .*300000/],
      [{ frames: -1, fps: 'abc', system: 5 }, /system should.*\n.*frames should.*\n.*fps should/],
      [{ engines: [{ url: 'http://a:b@x', apiKey: 5 }] }, /…@x[^]*engines\[0\]\.apiKey should/],
      [
        { queue: 'host=127.0.0.1 dbname=work password=secret' },
        /queue should be a file or postgres:/,
      ],
      [{ queue: 'mysql://h/work' }, /queue should be a file or postgres:/],
      [{ resume: true, overwrite: true }, /resume would do nothing with overwrite/],
      [{ leaseMs: 9e9 }, /leaseMs should be a number from 1000 to 2147483000/],
      [{ queue: 5 }, /queue should be a text/],
      [{ media: 5 }, /media should be a text/],
      [{ media: root }, /media would do nothing/],
      [{ input: join(input, '1.png'), clipFolders: true }, /clipFolders would do nothing/],
    ]
    for (const [options, message] of wrong) {
      await assert.rejects(run({ input, ...options }), (error: Error) => {
        assert.ok(error instanceof InputError, String(error))
        assert.match(error.message, message)
        return true
      })
    }
    const hooks = { onProgress: () => {} } as object
    const engines = [{ model, name: 'm' }]
    const given = { input, prompts: ['x'], engines, out: newPath('out.jsonl') }
    await assert.rejects(label(given, hooks), /hooks\.onProgress is not a known name/)
    await assert.rejects(label(null as unknown as LabelOptions), /the options should be an object/)
  })
})

describe('a run', () => {
  const names = Array.from({ length: 60 }, (_, i) => `${i}.png`)

  test('records what fails and goes on, and asks it again when it is wished', async () => {
    const input = folderOf(names)
    const out = newPath('out.jsonl')
    let isBroken = true
    const model = echo([], ({ text, media }) => {
      const fails =
        isBroken &&
        text === 'b?' &&
        media[0] === `image ${shaOf(readFileSync(join(input, '7.png')))}`
      if (fails) throw new InputError('INPUT_X', 'model: no.')
    })
    const options = { input, out, prompts: ['a?', 'b?'], engines: [{ model, name: 'echo' }] }
    const first = await run(options)
    assert.deepEqual(first.report.errors, { INPUT_X: 1 })
    assert.deepEqual(
      first.lines
        .filter(({ error }) => error)
        .map(({ item_id, prompt_id }) => [item_id, prompt_id]),
      [['7.png', 'p2']],
    )
    const asked: Asked[] = []
    isBroken = false
    writeFileSync(join(input, '99.png'), png(9, 9, 'new'))
    const engines = [{ model: echo(asked), name: 'echo' }]
    const again = await run({ ...options, engines })
    assert.deepEqual([asked.length, again.report.failed], [0, 1])
    const resumed = await run({ ...options, engines, resume: true })
    // The one that failed, and two about the new file.
    assert.deepEqual(asked.map(({ text }) => text).sort(), ['a?', 'b?', 'b?'])
    assert.deepEqual([resumed.report.failed, resumed.lines.length], [0, 122])
  })

  test('stops when too many fail', async () => {
    const input = folderOf(names)
    const model = echo([], () => {
      throw new InputError('INPUT_X', 'model: no.')
    })
    const out = newPath('out.jsonl')
    const options = { input, out, engines: [{ model, name: 'echo', batch: 2 }] }
    await assert.rejects(run(options), { code: 'CAPACITY_LABEL_ERRORS' })
    assert.ok(!existsSync(out))
    await assert.rejects(run({ ...options, overwrite: true, maxErrors: 3 }), /4 of 4 did/)
    const { report } = await run({ ...options, resume: true, maxErrors: '100%' })
    assert.equal(report.failed, 60)
  })

  test('that is stopped leaves no file, and then ends as if it had not been', async () => {
    const input = folderOf(names)
    const whole = await run({ input, prompts: ['a?', 'b?'] })
    const out = newPath('out.jsonl')
    for (const most of [3, 20, 90]) {
      const stop = new AbortController()
      let count = 0
      const model = echo([], async () => {
        await new Promise(setImmediate)
        if (++count === most) stop.abort(new Error('enough'))
      })
      const engines = [{ model, name: 'echo', batch: 4 }]
      const options = { input, out, prompts: ['a?', 'b?'], engines }
      await assert.rejects(label(options, { signal: stop.signal }), /enough/)
      assert.ok(!existsSync(out))
    }
    const events: LabelEvent[] = []
    await run({ input, out, prompts: ['a?', 'b?'] }, (event) => events.push(event))
    assert.equal(readFileSync(out, 'utf8'), readFileSync(whole.out, 'utf8'))
    assert.equal(events[0]!.type, 'resumed')
    const last = events.findLast((event) => event.type === 'progress')!
    assert.deepEqual([last.done, last.items, last.isListed], [60, 60, true])
  })

  test('that two share does each item once, and both write the same', async () => {
    const input = folderOf(names)
    const asked: Asked[] = []
    const queue = newPath('queue')
    const slow = (): LabelModel => echo(asked, () => new Promise((done) => setTimeout(done, 2)))
    const outs = [newPath('out.jsonl'), newPath('out.jsonl')]
    const reports = await Promise.all(
      outs.map((out) =>
        label({
          input,
          out,
          queue,
          prompts: ['a?'],
          engines: [{ model: slow(), name: 'm', batch: 2 }],
        }),
      ),
    )
    assert.equal(asked.length, 60)
    assert.equal(new Set(asked.flatMap(({ media }) => media)).size, 60)
    const own = reports.map(({ engines }) => engines[0]!.items)
    assert.equal(own[0]! + own[1]!, 60)
    assert.ok(
      own.every((items) => items > 5),
      String(own),
    )
    assert.equal(readFileSync(outs[0]!, 'utf8'), readFileSync(outs[1]!, 'utf8'))
  })

  // They were told when all had been asked, or not at all.
  test('tells a table without rows and a file that cannot be written before the first question', async () => {
    const asked: Asked[] = []
    const good = folderOf(['a.png'])
    const refused = async (options: Partial<LabelOptions>, code: string, said: RegExp) => {
      const engines = [{ name: 'echo', model: echo(asked) }]
      const [out, queue] = [newPath('labels.jsonl'), newPath('queue.db')]
      const wrong = run({ input: good, engines, out, queue, ...options })
      await assert.rejects(wrong, (error: InputError) => {
        assert.deepEqual([error.code, said.test(error.message)], [code, true], error.message)
        return true
      })
    }
    const table = (text: string) => {
      const path = newPath('table.csv')
      writeFileSync(path, text)
      return [good, path]
    }
    const isBroken = 'INPUT_DATA_BROKEN'
    await refused({ input: table('image,text\n') }, isBroken, /no rows below the names.*mend/)
    await refused({ input: table('image,image\na,b\n') }, isBroken, /columns are named image; mend/)
    const folder = newPath('labels.jsonl')
    mkdirSync(folder)
    await refused({ out: folder }, 'INPUT_LABEL_OUT', /it is a folder\); name another --out/)
    const inFile = join(good, 'a.png', 'labels.jsonl')
    await refused({ out: inFile }, 'INPUT_LABEL_OUT', /cannot \(.*\); name another --out/)
    if (process.platform === 'linux') {
      await refused({ out: '/proc/labels.jsonl' }, 'INPUT_LABEL_OUT', /cannot \(ENOENT/)
    }
    assert.equal(asked.length, 0)
  })

  test('does not go on with something else, nor over a file that it did not write', async () => {
    const input = folderOf(['1.png'])
    const { out } = await run({ input })
    await assert.rejects(run({ input, out, prompts: ['else?'] }), { code: 'INPUT_LABEL_RUN' })
    await assert.rejects(run({ input: folderOf(['1.png']), out }), /another input/)
    const engines = [{ model: echo(), name: 'other' }]
    await assert.rejects(run({ input, out, engines }), /another models/)
    const own = (precision: string) => [{ model: echo(), name: 'own', settings: { precision } }]
    const loaded = await run({ input, engines: own('q4') })
    await assert.rejects(
      run({ input, out: loaded.out, engines: own('int8') }),
      /begun with another precision \("q4", now "int8"\)/,
    )
    await run({ input, out: loaded.out, engines: own('q4') })
    await run({ input, out, prompts: ['else?'], overwrite: true })
    const foreign = newPath('mine.jsonl')
    writeFileSync(foreign, 'precious')
    await assert.rejects(run({ input, out: foreign }), { code: 'INPUT_LABEL_OUT' })
    assert.equal(readFileSync(foreign, 'utf8'), 'precious')
  })
})
