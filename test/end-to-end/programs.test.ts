/** Programs over a loaded model and over servers: what they write, what branches share, and how they end. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  assistant,
  fork,
  gen,
  image,
  loadModel,
  program,
  select,
  system,
  user,
  video,
  type EngineSource,
  type Model,
} from '../../src/index.ts'
import { SERVER_DEFAULTS } from '../../src/serve/http/index.ts'
import type { Turn } from '../../src/serve/program/pieces.ts'
import { PICTURE, startServer, type TestServer } from './serve-setup.ts'
import { PATIENT } from './upstream-setup.ts'

const FOLDER = 'fixtures/inference/mini-vit-crop'
const ESSAY =
  'The picture shows a table with a bowl of fruit beside a window, and it is late. '.repeat(3)
const SHORT = { maxTokens: 6, ignoreEos: true } as const

let model: Model
let server: TestServer
before(async () => {
  model = await loadModel(FOLDER, { precision: 'f32' })
  server = await startServer({ model, listen: PATIENT })
})
after(async () => {
  await server.close()
  await model.dispose()
})

const judge = program(async (s, essay: string, aspects: readonly string[]) => {
  await s.add(system('You judge essays.'), user(`The essay: ${essay}`, image(PICTURE)))
  const branches = await fork(s, aspects, async (branch, aspect) => {
    await branch.user(` Judge its ${aspect}.`)
    await branch.assistant('About it: ', gen('judgement', SHORT), ' Grade: ')
    await branch.add(select('grade', ['good', 'bad']))
  })
  branches.join()
  await s.user(` The judgements: ${s.all('judgement').join('; ')}`)
  await s.add(gen('summary', SHORT))
})

for (const where of ['on a loaded model', 'on a server']) {
  describe(where, () => {
    const engine = (): EngineSource =>
      where === 'on a server' ? { url: server.url, model: server.id } : model

    // A server refused it in words of its own, and only when the first place was filled.
    test('a picture stands in a turn of the user; elsewhere it is refused at once', async () => {
      const turns = [system, assistant] as readonly ((...pieces: unknown[]) => Turn)[]
      for (const turn of turns) {
        let isAdded = false
        const shown = program(async (s) => {
          await s.add(turn('You see:', image(PICTURE)))
          isAdded = true
        })
        await assert.rejects(shown.run(engine()), {
          code: 'INPUT_PROGRAM',
          message: /should stand in a turn of the user, image came in one of \w+; write user/,
        })
        assert.ok(!isAdded)
      }
    })

    test('branches draw answers of their own, the same ones each time', async () => {
      const drawing = program(async (s) => {
        await s.user('Say something.')
        const branches = await fork(s, 4, (branch) =>
          branch.add(gen('said', { maxTokens: 8, temperature: 1.5, ignoreEos: true })),
        )
        branches.join()
      })
      const first = (await drawing.run(engine())).all('said')
      assert.ok(new Set(first).size > 1, first.join())
      assert.deepEqual((await drawing.run(engine())).all('said'), first)
    })

    test('branches of an essay about a picture are judged side by side and joined', async () => {
      const state = await judge.run(engine(), ESSAY, ['style', 'truth', 'length'])
      assert.equal(state.all('judgement').length, 3)
      for (const grade of state.all('grade')) assert.match(grade, /^(good|bad)$/)
      assert.notEqual(state.get('summary'), '')
      const branches = state.steps.filter(({ name }) => name === 'judgement').map((s) => s.branch)
      assert.deepEqual(branches.sort(), [[0], [1], [2]])
      assert.equal(state.messages.length, 3, 'the branches are not in the conversation')
      assert.equal(state.usage.completionTokens > 24, true)
    })

    test('a branch finds in the cache what the fork had read', async () => {
      const essay = `${where}. ${ESSAY}`
      const state = await judge.run(engine(), essay, ['style', 'truth', 'length'])
      const first = state.steps.filter(({ name }) => name === 'judgement').map(({ usage }) => usage)
      const [shared, ...found] = first.map((u) => u.cachedTokens).sort((a, b) => a - b)
      const asked = Math.min(...first.map(({ promptTokens }) => promptTokens))
      for (const cached of found) assert.ok(cached > 0.8 * asked, `${cached} of ${asked}`)
      // The picture was read by others before; its template has it first.
      assert.ok(shared! < asked - 60, `one of them read it: ${shared} of ${asked}`)
      for (const { usage } of state.steps.filter(({ name }) => name === 'grade')) {
        assert.ok(usage.cachedTokens > 0.9 * usage.promptTokens - 8)
      }
    })

    test('it gives the same text as the conversation that it writes', async () => {
      const state = await program(async (s) => {
        await s.user('Hello')
        await s.assistant('I say ', gen('one', SHORT), ' and ', gen('two', SHORT))
      }).run(engine())
      const begun = (content: string) =>
        model.generate({
          messages: [
            { role: 'user', content: 'Hello' },
            { role: 'assistant', content },
          ],
          ...SHORT,
        })
      const one = (await begun('I say ')).text
      assert.equal(state.get('one'), one)
      assert.equal(state.get('two'), (await begun(`I say ${one} and `)).text)
      assert.equal(state.messages.at(-1)?.content, `I say ${one} and ${state.get('two')}`)
    })

    test('answers keep to the form that a place asks for', async () => {
      const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] }
      const state = await program(async (s) => {
        await s.user('Hello')
        await s.assistant(
          gen('number', { regex: '[0-9]{3}', maxTokens: 20 }),
          gen('word', { choices: ['left', 'right'] }),
          gen('object', { json: schema, maxTokens: 60 }),
        )
      }).run(engine())
      assert.match(state.get('number'), /^[0-9]{3}$/)
      assert.match(state.get('word'), /^(left|right)$/)
      assert.equal(typeof JSON.parse(state.get('object')).ok, 'boolean')
    })

    test('pieces are heard while they come, each with its name and branch, and the state at the end', async () => {
      const heard = new Map<string, string>()
      for await (const event of judge.stream(engine(), ESSAY, ['style', 'truth'])) {
        if (event.type === 'text') {
          const place = `${event.branch.join('.')}/${event.name}`
          heard.set(place, (heard.get(place) ?? '') + event.text)
        } else if (event.type === 'done') {
          assert.deepEqual(
            event.state.all('judgement'),
            ['0/judgement', '1/judgement'].map((place) => heard.get(place)),
          )
          assert.equal(event.state.get('summary'), heard.get('/summary'))
        }
      }
      assert.equal(heard.size, 5)
    })

    test('a signal stops it with its reason, in the middle of a branch', async () => {
      const stop = new AbortController()
      const reason = new Error('enough')
      const running = program(async (s) => {
        await s.user('Hello')
        await fork(s, [1, 2], async (branch) => {
          await branch.add(gen('long', { maxTokens: 400, ignoreEos: true }))
        })
      }).with({ signal: stop.signal })
      const stream = running.stream(engine())
      await stream.next()
      stop.abort(reason)
      await assert.rejects(async () => {
        for await (const _ of stream);
      }, reason)
    })

    // Media behind words of the same turn were not looked at, and a server answered without them.
    test('what is wrong with media is named, wherever in a turn they stand', async () => {
      const clip = (options: object) => video([PICTURE], options)
      const wrong: readonly [part: unknown, RegExp][] = [
        [clip({ frmes: 1 }), /content\[1\].frmes is not a known name; did you mean frames/],
        [clip({ start: 2, end: 1 }), /content\[1\].end should be seconds after the start, 1 came/],
        [clip({ frames: '2' }), /content\[1\].frames should be/],
        [clip({ fps: 'x' }), /content\[1\].fps should be/],
        [image(5 as never), /content\[1\].image should be a path, URL/],
        [image(undefined as never), /content\[1\].image should be a path, URL/],
        [video(5 as never), /content\[1\].video should be a path, URL/],
        [{ type: 'foo' }, /content\[1\].type should be/],
      ]
      for (const [part, message] of wrong) {
        const asking = program(async (s) => {
          await s.add(user('x', part as never, '?'), assistant(gen('a', SHORT)))
        })
        await assert.rejects(asking.run(engine()), { code: 'INPUT_MESSAGES', message })
      }
    })

    test('choices are of any script', async () => {
      // The limit of a server's answer was a token a letter: these have several.
      const choices = ['桌子上放着一个装满水果的碗在窗边', '👨‍👩‍👧‍👦👨‍👩‍👧‍👦', 'ผลไม้อยู่ในชามบนโต๊ะข้างหน้าต่าง']
      for (const choice of choices) {
        const state = await program(async (s) => {
          await s.add(user('Which?'), assistant(select('it', [choice])))
        }).run(engine())
        assert.equal(state.get('it'), choice)
      }
    })

    test('a picture that is not there is told with its path and what to do', async () => {
      const asking = program(async (s) => {
        await s.add(user(image('/nope.png'), 'What?'), assistant(gen('a', SHORT)))
      })
      await assert.rejects(asking.run(engine()), /\/nope\.png.*check the path/)
    })

    test('where one branch fails the others stop, and its error is told', async () => {
      const failing = program(async (s) => {
        await s.user('Hello')
        await fork(s, [1, 2], async (branch, item) => {
          if (item === 1) await branch.add(gen('bad', { temperature: -1 }))
          await branch.add(gen('long', { maxTokens: 400, ignoreEos: true }))
        })
      })
      await assert.rejects(failing.run(engine()), /temperature should be/)
    })
  })
}

describe('select on a loaded model', () => {
  const choices = ['good', 'good indeed', 'bad']
  const asked = (method: 'tokenLengthNormalized' | 'unconditionalLikelihoodNormalized') =>
    program(async (s) => {
      await s.user('How is it?')
      await s.assistant('It is ', select('it', choices, { method }))
    })

  test('takes the text whose tokens are likeliest in the mean, as scoring each alone says', async () => {
    const state = await asked('tokenLengthNormalized').run(model)
    const [step] = state.steps
    const messages = [
      { role: 'user', content: 'How is it?' },
      { role: 'assistant', content: 'It is ' },
    ] as const
    const { choices: scored } = await model.scoreChoices({ messages, choices })
    for (const [i, { tokens, logprobs }] of scored.entries()) {
      // Each token's log-probability by a run over the whole conversation, without a cache.
      const content = `It is ${choices[i]}`
      const { inputIds } = await model.prepare({
        messages: [messages[0], { role: 'assistant', content }],
      })
      assert.deepEqual(inputIds.slice(-tokens.length), tokens)
      const positions = tokens.map((_, k) => inputIds.length - tokens.length - 1 + k)
      const logits = await model.logits({ inputIds, positions })
      const vocabSize = logits.shape[1]!
      const alone = tokens.map((id, k) => {
        const row = logits.data.subarray(k * vocabSize, (k + 1) * vocabSize)
        const most = Math.max(...row)
        return row[id]! - most - Math.log(row.reduce((sum, one) => sum + Math.exp(one - most), 0))
      })
      alone.forEach((logprob, k) => assert.ok(Math.abs(logprob - logprobs[k]!) < 1e-3))
      const mean = alone.reduce((a, b) => a + b) / alone.length
      assert.ok(Math.abs(mean - step!.scores![i]!) < 1e-3)
    }
    const best = step!.scores!.indexOf(Math.max(...step!.scores!))
    assert.equal(state.get('it'), choices[best])
  })

  test('against the same texts without the conversation it compares by what that adds', async () => {
    const state = await asked('unconditionalLikelihoodNormalized').run(model)
    const [step] = state.steps
    assert.equal(step!.scores!.length, 3)
    assert.notDeepEqual(
      step!.scores,
      (await asked('tokenLengthNormalized').run(model)).steps[0]!.scores,
    )
  })
})

test('what cannot be written is refused by name', async () => {
  const run = (write: Parameters<typeof program<[]>>[0]) => program(write).run(model)
  const refused: readonly [Parameters<typeof program<[]>>[0], RegExp][] = [
    [(s) => s.add(gen('a')), /something should be said before a is answered/],
    [(s) => s.add('Hello' as never), /should stand in a turn/],
    [(s) => s.add(user(gen('a') as never)), /a stands in the user's turn/],
    [(s) => s.user('Hi').then(() => s.get('none')), /no place was named none; there is none yet/],
    [(s) => s.user('Hi').then(() => s.add(select('a', []))), /at least one choice/],
    [(s) => Promise.all([s.user('a'), s.user('b')]), /written by one at a time/],
    [async (s) => s.fork(0), /a whole number from 1, 0 came/],
    [(s) => s.add(user('Hi'), assistant(gen('a', { regex: 'a', json: true }))), /one form/],
    [async () => gen('a', { choices: ['b'], regex: 'b' }), /regex is not a known name/],
    [async () => gen('a', { method: 'greedyTokenSelection' }), /how choices are compared/],
    [async () => select('a', ['b'], { method: 'x' as never }), /method should be one of/],
    [async () => select('a', ['b'], { methd: 'x' } as never), /did you mean method/],
  ]
  for (const [write, message] of refused) await assert.rejects(run(write), message)
  for (const none of [undefined, null, 5]) {
    const message = /the user's turn should hold texts, .* came/
    await assert.rejects(
      run((s) => s.user(none as never)),
      message,
    )
  }
  const empty = program(async (s) => s.user('Hello'))
  for (const none of [{}, 'mini', undefined, null]) {
    await assert.rejects(empty.run(none as never), /engine should be a loaded model.* came/)
  }
  for (const none of [5, undefined, ['one']]) {
    await assert.rejects(empty.runBatch(model, none as never), /a list of lists of arguments/)
  }
  assert.throws(() => program('x' as never), /should be given a function that writes a state/)
  await assert.rejects(empty.run({ url: server.url, model: 'other' }), /serves tiny, not other/)
})

// A choice of three bytes asked for 21 tokens, which the server refused.
test('on a server that allows few tokens a choice is made within them, or told to be too long', async () => {
  const config = { ...SERVER_DEFAULTS, maxTokens: 4 }
  const strict = await startServer({ model, app: { config }, listen: PATIENT })
  const choosing = program(async (s, choices: readonly string[]) => {
    await s.user('Hello')
    await s.assistant(gen('place', { choices }))
  })
  try {
    const engine = { url: strict.url }
    assert.match((await choosing.run(engine, ['no', 'up'])).get('place'), /^(no|up)$/)
    await assert.rejects(choosing.run(engine, ['x1y2z3q4w5', 'x9y8z7q6w5']), {
      code: 'INPUT_ENDPOINT_REPLY',
      message: /^gen: .* one of the choices, "x.*" came; its 4 tokens were over; allow it more/,
    })
  } finally {
    await strict.close()
  }
})

test('branches by their number are written like those of items', async () => {
  const count = program(async (s) => {
    await s.user('Hello')
    const branches = await fork(s, 3, (branch, i) => branch.user(`number ${i}`))
    s.set(
      'branches',
      [...branches].map((branch) => branch.text()),
    )
  })
  const { values } = await count.run(model)
  assert.match(String(values['branches']), /number 0.*number 1.*number 2/s)
})

test('a batch of arguments runs together, states in their order', async () => {
  const greet = program(async (s, name: string) => {
    await s.user(`Hello ${name}`)
    await s.add(gen('greeting', SHORT))
  })
  const names = ['Ada', 'Grace', 'Edith']
  const states = await greet.runBatch(
    model,
    names.map((name) => [name] as const),
    { concurrency: 2 },
  )
  for (const [i, state] of states.entries()) {
    assert.equal(state.get('greeting'), (await greet.run(model, names[i]!)).get('greeting'))
  }
})
