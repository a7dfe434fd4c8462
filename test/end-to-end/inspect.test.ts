/** What `inspect`, `quantize` and `bench` find out about the smallest recorded checkpoint. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { probeImage } from '../../src/preprocess/index.ts'
import { llava, program } from './run-cli.ts'

const MODEL = 'fixtures/inference/llava-mlp'
const PHOTO = 'fixtures/pictures/photo-640x480.jpg'
const TURNED = 'fixtures/pictures/exif-rotated-320x240.jpg'
const FOLDER = mkdtempSync(join(tmpdir(), 'llava-inspect-'))
after(() => rmSync(FOLDER, { recursive: true }))

describe('llava inspect', { concurrency: 2 }, () => {
  test('a checkpoint: family, sizes, files, precision and why', async () => {
    const facts = await json(['inspect', MODEL, '--precision', 'int8'])
    assert.equal(facts.family, 'llava')
    assert.equal(facts.layout, 'hf')
    assert.equal(facts.decoder.hiddenSize, 48)
    assert.equal(facts.maxContext, 4096)
    assert.deepEqual(facts.endTokens, [{ id: 2, token: '</s>' }])
    const { total, ...parts } = facts.parameters as Record<string, number>
    assert.equal(
      total,
      Object.values(parts).reduce((a, b) => a + b, 0),
    )
    assert.deepEqual(facts.dtypes, { float32: total })
    assert.equal(facts.precision.name, 'int8')
    assert.ok(facts.precision.layers.some(({ part }: { part: string }) => part === 'decoder'))
    assert.equal(typeof facts.processor.isInt8Exact, 'boolean')
  })

  test('the form of the cache follows from the weights, or is what --kv-cache says', async () => {
    for (const [flags, form] of [
      [['--precision', 'f32'], 'f32'],
      // Of a narrow decoder, which int8 is to change as little as possible.
      [['--precision', 'int8'], 'f32'],
      [['--precision', 'q4'], 'int8'],
      [['--precision', 'int8', '--kv-cache', 'int8'], 'int8'],
      [['--precision', 'f32', '--kv-cache', 'int8'], 'int8'],
    ] as const) {
      const { precision } = await json(['inspect', MODEL, ...flags])
      assert.equal(precision.kvCache, form)
    }
  })

  test('a file: URL is the path that it means, of a picture, a clip and a checkpoint', async () => {
    for (const [path, kind] of [
      [PHOTO, 'picture'],
      ['fixtures/clips/420.y4m', 'clip'],
      [MODEL, 'checkpoint'],
    ] as const) {
      const url = pathToFileURL(path).href
      const facts = await json([
        'inspect',
        url,
        ...(kind === 'checkpoint' ? [] : ['--model', MODEL]),
      ])
      assert.equal(facts.kind, kind)
    }
    const { stderr } = await llava(['inspect', 'file://elsewhere/x.png'])
    assert.match(stderr, /inspect: .*file: URL of this machine.*\[INPUT_FILE_URL\]/)
  })

  test('a checkpoint, for people', async () => {
    const { stdout } = await llava(['inspect', MODEL])
    assert.match(stdout, /family llava, hf layout/)
    assert.match(stdout, /precision f32: .*small enough for float32/)
  })

  test('a picture: how it is cut, its tokens, and the orientation that is ignored', async () => {
    const facts = await json(['inspect', TURNED, '--model', MODEL])
    assert.equal(facts.tokens, 576)
    assert.equal(facts.tiles, 1)
    assert.equal(facts.orientation, 6)
    assert.equal(facts.isOrientationIgnored, true)
    assert.deepEqual(facts.steps.slice(0, 2), [
      'resized to 448 × 336 (bicubic)',
      'the middle 336 × 336 cut out',
    ])
    const turned = await json(['inspect', TURNED, '--model', MODEL, '--auto-orient'])
    assert.equal(turned.steps[0], 'resized to 336 × 448 (bicubic)')
  })

  test('a picture that is drawn: the parts of its tokens, as SVG and PNG', async () => {
    const model = 'fixtures/original/checkpoints/llava-v1.6-vicuna'
    const svg = join(FOLDER, 'photo.svg')
    const facts = await json(['inspect', PHOTO, '--model', model, '--draw', svg])
    assert.deepEqual(
      facts.parts.map(({ part, tokens }: { part: string; tokens: number }) => [part, tokens]),
      [
        ['base tile', 576],
        ['grid', 48 * 36],
        ['newlines', 36],
      ],
    )
    assert.equal(facts.tokens, 2340)
    assert.equal(facts.drawing, svg)
    assert.match(readFileSync(svg, 'utf8'), /^<svg .*together: 2340 tokens/s)
    const png = join(FOLDER, 'photo.png')
    await json(['inspect', PHOTO, '--model', MODEL, '--draw', png])
    assert.equal(probeImage(readFileSync(png)).format, 'png')
  })

  test('a clip: frames, times and tokens, drawn frame by frame', async () => {
    const model = 'fixtures/inference/next-video-rope'
    const svg = join(FOLDER, 'clip.svg')
    const args = ['--model', model, '--frames', '3', '--draw', svg]
    const facts = await json(['inspect', 'fixtures/pictures/clip', ...args])
    assert.deepEqual(facts.taken, [
      { frame: 0, time: 0, tokens: 144 },
      { frame: 3, time: 3, tokens: 144 },
      { frame: 7, time: 7, tokens: 144 },
    ])
    assert.deepEqual([facts.tokens, facts.fitting], [3 * 144, Math.floor((10_240 - 1000) / 144)])
    const drawn = readFileSync(svg, 'utf8')
    assert.equal(drawn.match(/<image /g)?.length, 3)
    assert.match(drawn, /frame 3 at 3\.00 s/)
    const film = await json(['inspect', 'fixtures/clips/420.y4m', '--model', model, '--fps', '5'])
    assert.deepEqual(
      film.taken.map(({ time }: { time: number }) => time),
      [0, 0.2],
    )
    const gif = 'fixtures/pictures/animated-160x160.gif'
    assert.equal((await json(['inspect', gif, '--model', model])).kind, 'picture')
    assert.equal((await json(['inspect', gif, '--model', model, '--as', 'clip'])).kind, 'clip')
  })

  test('a clip is a folder of frames whatever else lies in it, .pnm files too, and one too long is said to be', async () => {
    const clip = mkdtempSync(join(FOLDER, 'frames-'))
    for (const name of ['1.pnm', '2.pnm']) {
      writeFileSync(
        join(clip, name),
        Buffer.concat([Buffer.from('P6 2 2 255\n'), Buffer.alloc(12)]),
      )
    }
    const named = await json(['inspect', clip, '--model', MODEL])
    assert.equal(named.frames, 2)
    writeFileSync(join(clip, 'about.json'), '{}')
    assert.equal((await json(['inspect', clip, '--as', 'clip', '--model', MODEL])).frames, 2)
    const long = ['--frames', '100', '--force-sample', '--as', 'clip', '--model', MODEL]
    const { stdout } = await llava(['inspect', clip, ...long])
    assert.match(stdout, /14400 tokens; the context holds 4096.*\n +a prompt with it is refused/)
  })

  // Once a stack trace and "a bug in llava-ts".
  test('a drawing makes the folder that it is to lie in, and says where it cannot', async () => {
    const svg = join(FOLDER, 'drawings/photo.svg')
    const { drawing } = await json(['inspect', PHOTO, '--model', MODEL, '--draw', svg])
    assert.ok(readFileSync(drawing, 'utf8').startsWith('<svg'))
    const args = ['inspect', PHOTO, '--model', MODEL, '--draw', join(svg, 'x.svg')]
    const { code, stderr } = await llava(args)
    assert.equal(code, 1)
    assert.match(stderr, /photo\.svg.*\[SYSTEM\]/)
  })

  test('a base tile that gives no token is said to', async () => {
    const originals = 'fixtures/original/checkpoints'
    const model = mkdtempSync(join(FOLDER, 'nobase-'))
    cpSync(join(originals, 'llava-v1.6-vicuna'), model, { recursive: true })
    const path = join(model, 'config.json')
    const config = JSON.parse(readFileSync(path, 'utf8')) as object
    const tower = ['--vision-tower', join(originals, 'tower-clip-vit-large-patch14-336')]
    for (const [merge, told] of [
      ['spatial_unpad', false],
      ['spatial_unpad_nobase', true],
    ] as const) {
      writeFileSync(path, JSON.stringify({ ...config, mm_patch_merge_type: merge }))
      const file = join(FOLDER, `${merge}.svg`)
      const flags = ['--model', model, ...tower, '--draw', file]
      const { stdout } = await llava(['inspect', PHOTO, ...flags])
      assert.equal(/as a base tile, which gives no token/.test(stdout), told, stdout)
      assert.equal(/base tile, squashed to .*, no token/.test(readFileSync(file, 'utf8')), told)
    }
  })

  test('a plan of a published checkpoint: memory and tokens, nothing is fetched', async () => {
    const env = { HF_HUB_OFFLINE: '1', HF_HOME: join(FOLDER, 'empty') }
    const args = ['inspect', 'liuhaotian/llava-v1.6-34b', '--plan', '--image', '1280x720']
    const { code, stdout, stderr } = await program([...args, '--json'], { env })
    assert.equal(code, 0, stderr)
    const facts = JSON.parse(stdout)
    assert.deepEqual(facts.pictures, [{ width: 1280, height: 720, tokens: 1948, tiles: 5 }])
    type Row = { precision: string; weights: number; total: number; fullContext: number }
    const byName = new Map((facts.memory as Row[]).map((row) => [row.precision, row]))
    // 34.75 billion weights, of which the last block of the tower is not read and the table of embeddings stays in its file.
    const f32 = byName.get('f32')!.weights / 4e9
    assert.ok(Math.abs(f32 - 34.3) < 0.1, `${f32}`)
    assert.ok(Math.abs(byName.get('int8')!.weights / 1e9 - 34.3) < 0.3)
    assert.ok(byName.get('q4')!.weights < 0.8 * byName.get('int8')!.weights)
    for (const { weights, total, fullContext } of byName.values()) {
      assert.ok(weights < total && total <= fullContext)
    }
    assert.equal(facts.memory.length, 6)
    // An image-only checkpoint: 16 frames of 144 tokens in 4096, or more of fewer.
    assert.deepEqual([facts.clip.frames, facts.clip.tokens], [16, 16 * 144 + 1])
    assert.deepEqual(
      facts.clip.fits.map(({ frames, tokensPerFrame }: Record<string, number>) => [
        frames,
        tokensPerFrame,
      ]),
      [
        [5, 576],
        [21, 144],
        [48, 64],
        [85, 36],
      ],
    )
  })

  // Once the prompt was cut to the context, and the clip said to fit.
  test('a plan says which clip no prompt can hold, and what would do instead', async () => {
    const args = ['inspect', 'liuhaotian/llava-v1.6-34b', '--plan', '--precision', 'int8']
    const [most, excess] = [
      await json([...args, '--frames', '28']),
      await json([...args, '--frames', '56']),
    ]
    assert.equal(most.clip.excess, null)
    assert.equal(most.prompt.tokens, 4096)
    assert.deepEqual(excess.clip.excess, { frames: 21, ropeScaling: 2, maxContext: 8192 })
    assert.equal(excess.prompt.tokens, 3340)
    assert.equal((await json([...args, '--frames', '56', '--rope-scaling', '2'])).clip.excess, null)
    const { stdout } = await llava([...args, '--frames', '56'])
    assert.match(
      stdout,
      /56 frames: 8065 tokens\n.*refused: the context of 4096.*--frames 21.*--rope-scaling 2/,
    )
    assert.match(stdout, /3340 tokens \(not for that clip\)/)
  })

  test('a plan of a folder or the packaged model is of its own config; unknown ids are told what is near', async () => {
    const facts = await json(['inspect', MODEL, '--plan', '--precision', 'f32'])
    assert.equal(facts.memory.length, 1)
    assert.equal(facts.pictures[0].tokens, 576)
    assert.equal(facts.memory[0].fits, true)
    const { name, pictures } = await json(['inspect', 'mini', '--plan', '--precision', 'f32'])
    assert.equal(name, 'mini')
    assert.ok(pictures[0].tokens > 0)
    // Of a small tower in the place of a published one its weights fit no config: a plan asks the config alone.
    const cut = await json(['inspect', 'fixtures/original/checkpoints/llava-v1.6-vicuna', '--plan'])
    assert.equal(cut.family, 'next')
    const { code, stderr } = await llava(['inspect', 'liuhaotian/llava-v1.6-35b', '--plan'])
    assert.equal(code, 1)
    assert.match(stderr, /\(liuhaotian\/llava-v1\.6-34b is\).*\[INPUT_PLAN_UNKNOWN\]/)
  })

  test('options that would do nothing are wrong usage', async () => {
    for (const [args, message] of [
      [[PHOTO, '--draw', 'photo.bmp'], /\.svg or \.png file; "photo\.bmp"/],
      [[PHOTO, '--fps', '3'], /--fps goes with a clip/],
      [[PHOTO, '--template', 'vicuna_v1'], /--template goes with a checkpoint or .*not with a pic/],
      [[PHOTO, '--tokenizer', '/nowhere'], /--tokenizer goes with a checkpoint or /],
      [[PHOTO, '--max-context', '300'], /--max-context goes with a checkpoint or .*not with a pic/],
      [['fixtures/pictures/clip', '--as', 'picture'], /--as picture wants a file/],
      [[MODEL, '--plan', '-i', 'fixtures/clips/420.y4m'], /420\.y4m is a clip/],
      [[MODEL, '--plan', '-i', 'fixtures/pictures/clip'], /pictures\/clip is a clip/],
      [[MODEL, '--plan', '--rope-scaling', 'foo'], /--rope-scaling: expected auto .*, "foo" came/],
      [[MODEL, '--plan', '--rope-scaling', '0.5'], /--rope-scaling: .*from 1, "0\.5" came/],
      [[MODEL, '--plan', '--max-context', '0'], /maxContext should be a whole number from 1, 0/],
      [[MODEL, '--plan', '--kv-bytes', '9'], /unknown option --kv-bytes/],
      [[MODEL, '--draw', 'x.svg'], /--draw goes with a picture or a clip/],
      [
        [PHOTO, '--prompt', 'Hi'],
        /--prompt goes with a checkpoint, .* is a picture; .* by --image/,
      ],
      [['fixtures/pictures/clip', '--plan'], /--plan goes with a checkpoint, .* is a clip; give/],
    ] as const) {
      const { code, stderr } = await llava(['inspect', ...args])
      assert.match(stderr, message)
      assert.equal(code, 2)
    }
  })

  // Once the flag was taken and everything planned for the checkpoint's own context.
  test('--max-context is the context of every view that shows one', async () => {
    const bound = ['--max-context', '1700', '--json']
    const clip = 'fixtures/pictures/clip'
    const [own, frames, plan, prompt] = await Promise.all([
      json(['inspect', MODEL, ...bound]),
      json(['inspect', clip, '--model', MODEL, ...bound]),
      json(['inspect', MODEL, '--plan', '--frames', '13', '--precision', 'f32', ...bound]),
      llava(['inspect', MODEL, '--prompt', 'What?', '--max-context', '1700']),
    ])
    assert.deepEqual([own.maxContext, frames.maxContext, plan.maxContext], [1700, 1700, 1700])
    assert.equal(frames.fitting, 8)
    assert.equal(plan.clip.excess.frames, 8)
    assert.match(prompt.stdout, /the context holds 1700/)
    const { stdout } = await llava([
      'inspect',
      MODEL,
      '--plan',
      '--frames',
      '13',
      ...bound.slice(0, 2),
    ])
    assert.match(stdout, /makes a context of \d+ without --max-context/)
  })

  test('a prompt: every token, and the place of the picture with its count', async () => {
    const facts = await json(['inspect', MODEL, '--image', PHOTO, '--prompt', 'What is this?'])
    assert.equal(facts.prompt, 'USER: <image>\nWhat is this? ASSISTANT:')
    assert.deepEqual(facts.counts, { text: 26, image: 576, total: 602 })
    type Shown = { kind: string; count: number }
    const places = facts.tokens.filter(({ kind }: Shown) => kind === 'image')
    assert.deepEqual(
      places.map(({ count }: Shown) => count),
      [576],
    )
  })

  test('a language model’s template, which reads a text, gets the words and the picture in one', async () => {
    const folder = join(FOLDER, 'llama3-template')
    cpSync(MODEL, folder, { recursive: true, filter: (name) => !name.includes('chat_template') })
    const file = join(folder, 'tokenizer_config.json')
    const config = JSON.parse(readFileSync(file, 'utf8')) as object
    const header = "'<|' + message['role'] + '|>'"
    const templates = {
      llama3: `{{ ${header} + message['content'] | trim + '</s>' }}`,
      chatml: `{{ ${header} + message['content'] + '</s>' }}`,
      looks: `{{ message.content if message.content is string else 'list ' + message.content[0].text }}`,
      wordsOnly: `{{ ${header} }}{% for part in message.content if part.type == 'text' %}{{ part.text }}{% endfor %}`,
      firstOnly: `{% if message.content[0].type == 'image' %}<image>{% endif %}{{ message.content[-1].text }}`,
    }
    const writeTemplate = (body: string) => {
      const chat_template = `{% for message in messages %}${body}{% endfor %}`
      writeFileSync(file, JSON.stringify({ ...config, chat_template }))
    }
    for (const name of ['llama3', 'chatml'] as const) {
      writeTemplate(templates[name])
      const asked = ['inspect', folder, '--prompt', 'What is this?']
      assert.equal((await json(asked)).prompt, '<|user|>What is this?</s>')
      const seen = await json([...asked, '--image', PHOTO])
      assert.equal(seen.prompt, '<|user|><image>\nWhat is this?</s>')
      assert.equal(seen.counts.image, 576)
    }
    writeTemplate(templates.looks)
    const looked = ['ask', '--model', folder, '--max-tokens', '1', 'What?']
    const { usage } = await json(looked)
    const { counts } = await json(['inspect', folder, '--prompt', 'What?'])
    assert.equal(counts.total, usage.promptTokens)
    writeTemplate(templates.wordsOnly)
    const about = ['--model', folder, '--image', PHOTO, '--max-tokens', '1', 'What?']
    const { code, stderr } = await llava(['ask', ...about])
    assert.equal(code, 1)
    assert.match(stderr, /chat template to write a place for each picture.*CONFIG_TEMPLATE_MEDIA/)
    const shown = await llava(['inspect', folder, '--image', PHOTO, '--prompt', 'What?'])
    assert.deepEqual([shown.code, shown.stderr], [1, stderr])
    assert.equal((await llava(['ask', ...about, '--template', 'vicuna_v1'])).code, 0)
    writeTemplate(templates.firstOnly)
    assert.equal((await llava(['ask', ...about])).code, 0)
    for (const verb of [
      ['ask', ...about],
      ['inspect', folder, '--image', PHOTO, '--prompt', 'Hi'],
    ]) {
      const refused = await llava([...verb, '--image', PHOTO])
      assert.match(refused.stderr, /wrote 1 for 2 pictures; send only 1, or.*CONFIG_TEMPLATE_MEDIA/)
    }
  })

  test('what is neither is refused by name', async () => {
    const text = join(FOLDER, 'note.jpg')
    writeFileSync(text, 'Dear diary')
    const weights = join(FOLDER, 'model.safetensors')
    writeFileSync(weights, '')
    const cases = [
      [weights, /holds weights alone; give the folder.*\[INPUT_WEIGHTS_ALONE\]/],
      ['nothing.png', /no picture at nothing\.png.*\[INPUT_IMAGE_MISSING\]/],
      ['nothing.mp4', /no clip at nothing\.mp4.*\[INPUT_VIDEO_MISSING\]/],
      ['nothing', /no folder or file nothing.*\[CHECKPOINT_NOT_FOUND\]/],
      [text, /expected a whole PNG.*\[INPUT_IMAGE_UNREADABLE\]/],
    ] as const
    for (const [thing, message] of cases) {
      const { code, stderr } = await llava(['inspect', thing, '--model', MODEL])
      assert.match(stderr, message)
      assert.equal(code, 1)
    }
  })
})

describe('llava quantize', () => {
  test('makes the files that loading then finds', async () => {
    const options = ['--precision', 'int8+q4', '--cache-dir', FOLDER]
    const made = await json(['quantize', MODEL, ...options])
    assert.equal(made.precision, 'int8+q4')
    type Made = { file: string; bytes: number; isNew: boolean }
    assert.ok(made.files.length > 0)
    for (const { file, bytes, isNew } of made.files as Made[]) {
      assert.ok(existsSync(file) && bytes > 0 && isNew)
    }
    const again = await json(['quantize', MODEL, ...options])
    assert.ok(again.files.every(({ isNew }: Made) => !isNew))
  })

  test('a folder that cannot be written is an error', async () => {
    const file = join(FOLDER, 'file')
    writeFileSync(file, '')
    const args = ['quantize', MODEL, '--precision', 'q4', '--cache-dir', join(file, 'x')]
    const { code, stderr } = await llava(args)
    assert.equal(code, 1)
    assert.match(stderr, /\[CHECKPOINT_UNWRITABLE\]\n$/)
  })
})

describe('llava bench', () => {
  test('measures load, vision, prefill, decode, memory, event loop and the floor', async () => {
    const few = ['--rounds', '2', '--prefill', '64', '--streams', '1,2', '--tokens', '4']
    const report = await json(['bench', '--model', MODEL, '--precision', 'f32', ...few])
    assert.ok(report.loadMs > 0)
    const { vision, prefill, decode } = report.speeds
    assert.equal(vision.tiles, 1)
    assert.deepEqual(
      prefill.map(({ tokens }: { tokens: number }) => tokens),
      [64],
    )
    assert.deepEqual(
      decode.map(({ streams }: { streams: number }) => streams),
      [1, 2],
    )
    for (const { median, least, most, rounds } of [
      vision.msPerTile,
      prefill[0].tokensPerSecond,
      decode[1].tokensPerSecond,
      report.floor.bytesPerSecond,
    ]) {
      assert.ok(least > 0 && least <= median && median <= most && rounds >= 2)
    }
    assert.ok(report.run.memory.peakBytes > 1e7)
    assert.ok(report.run.eventLoop.maxMs >= 0)
    assert.ok(report.floor.reached.decode > 0)
  })

  test('lists that are no numbers are wrong usage', async () => {
    const { code, stderr } = await llava(['bench', '--model', MODEL, '--streams', '1,two'])
    assert.equal(code, 2)
    assert.match(stderr, /--streams should be whole numbers/)
  })
})

/** The one object on stdout. */
// What it holds is what the tests are about, so it has no type of its own.
// oxlint-disable-next-line typescript/no-explicit-any
async function json(args: readonly string[]): Promise<any> {
  const { code, stdout, stderr } = await llava([...args, '--json'])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}
