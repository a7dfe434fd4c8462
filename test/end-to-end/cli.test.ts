/** The command line from argument to exit code, on the smallest recorded checkpoint. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import sharp from 'sharp'
import { VERBS } from '../../src/cli/verbs.ts'
import { writeTinyAdapter } from '../tiny/adapter.ts'
import { llava, program } from './run-cli.ts'

const MODEL = resolve('fixtures/inference/llava-mlp')
/** Of its decoder. */
const WIDTH = 48
const PHOTO = resolve('fixtures/pictures/photo-640x480.jpg')
const TURNED = resolve('fixtures/pictures/exif-rotated-320x240.jpg')
const FOLDER = mkdtempSync(join(tmpdir(), 'llava-cli-'))
const TEXT_FILE = join(FOLDER, 'note.jpg')
writeFileSync(TEXT_FILE, 'Dear diary')
after(() => rmSync(FOLDER, { recursive: true }))

const ASK = ['ask', '--model', MODEL, '--precision', 'f32', '--max-tokens', '4']

describe('llava ask', { concurrency: 2 }, () => {
  test('of clips stderr says how many frames were taken, stdout nothing', async () => {
    const clip = resolve('fixtures/pictures/clip')
    const args = ['--video', clip, '--frames', '3', '--ignore-eos', '--json', 'What happens?']
    const { code, stdout, stderr } = await llava([...ASK, ...args])
    assert.equal(code, 0)
    assert.ok(stderr.includes(`note: ${clip}: 3 frames from 0.0 to 7.0 s, 432 tokens.\n`), stderr)
    assert.equal(JSON.parse(stdout).usage.imageTokens, 432)
    assert.doesNotMatch(stdout, /frames/)
  })

  test('empty variables of the environment count as none', async () => {
    const names = [
      'HF_ENDPOINT',
      'HF_HUB_CACHE',
      'HF_TOKEN_PATH',
      'HF_TOKEN',
      'HF_HOME',
      'NO_COLOR',
    ]
    const env = Object.fromEntries(names.map((name) => [name, '']))
    const { code, stderr } = await program([...ASK, 'Hi'], { env })
    assert.equal(code, 0, stderr)
  })

  test('--json prints one object: the answer as recorded, and how it was made', async () => {
    const question = 'What is shown in this picture?'
    const args = ['--image', PHOTO, '--ignore-eos', '--json', question]
    // The greedy answer that transformers recorded for this picture and question.
    const recorded = [254, 254, 254, 254]
    const { code, stdout } = await llava([...ASK, ...args])
    assert.equal(code, 0)
    const answer = JSON.parse(stdout) as Record<string, unknown>
    assert.equal(
      Object.keys(answer).join(' '),
      'text tokens finishReason usage timings model precision device loadMs',
    )
    assert.deepEqual(answer['tokens'], recorded)
    assert.equal(answer['finishReason'], 'length')
    assert.deepEqual(answer['usage'], {
      promptTokens: 604,
      imageTokens: 576,
      cachedTokens: 0,
      completionTokens: 4,
    })
    assert.equal(answer['model'], MODEL)
    assert.equal(answer['precision'], 'f32')
    assert.equal(answer['device'], 'cpu')
    assert.equal(typeof answer['loadMs'], 'number')
  })

  test('prints the text alone on stdout, from any folder, for a prompt from stdin', async () => {
    const options = { cwd: tmpdir(), input: 'Hello\n' }
    const { code, stdout, stderr } = await program([...ASK, '-'], options)
    assert.equal(code, 0)
    assert.match(stdout, /^.+\n$/s)
    assert.equal(stderr, '')
  })

  test('options reach the answer under their names', async () => {
    const args = ['--temperature', '1', '--n', '2', '--seed', '3', '--top-logprobs=2', '--json']
    const { code, stdout } = await llava([...ASK, ...args, 'Hi'])
    assert.equal(code, 0)
    const answer = JSON.parse(stdout)
    assert.equal(answer.sequences.length, 2)
    assert.equal(answer.logprobs[0].top.length, 2)
  })

  test('--kv-cache int8 keeps less, and the answer goes on from it', async () => {
    const args = ['--kv-cache', 'int8', '--ignore-eos', '--json', 'Hello']
    const { code, stdout } = await llava([...ASK, ...args])
    assert.equal(code, 0)
    assert.equal(JSON.parse(stdout).tokens.length, 4)
  })

  test('says that an orientation was not applied, and is silent where it was', async () => {
    const ignored = await llava([...ASK, '--image', TURNED, 'Hi'])
    assert.match(ignored.stderr, /^note: .*exif-rotated.*--auto-orient applies it\.\n$/)
    const applied = await llava([...ASK, '--image', TURNED, '--auto-orient', 'Hi'])
    assert.equal(applied.stderr, '')
    // Pillow turns a TIFF while it loads, and so the picture is not left lying.
    const tiff = join(FOLDER, 'turned.tif')
    const pixels = { width: 8, height: 4, channels: 3 as const, background: '#888' }
    await sharp({ create: pixels }).withMetadata({ orientation: 6 }).tiff().toFile(tiff)
    assert.equal((await llava([...ASK, '--image', tiff, 'Hi'])).stderr, '')
    const inspected = await llava(['inspect', tiff, '--model', MODEL])
    assert.match(inspected.stdout, /tiff, 8 × 4\n/)
    const url = `data:image/jpeg;base64,${readFileSync(TURNED, 'base64')}`
    const { stderr } = await llava([...ASK, '--image', url, 'Hi'])
    assert.match(stderr, /^note: data:image\/jpeg;base64,… carries an orientation/)
  })

  test('an interrupted answer exits with 130 and prints what there was', async () => {
    const { server, url, requested } = await deafServer()
    const args = ['--allow-remote', '--image', url, '--json', 'Hi']
    const { code, stdout, stderr } = await program([...ASK, ...args], {
      onStart: (child) => void requested.then(() => child.kill('SIGINT')),
    })
    server.close()
    assert.equal(code, 130)
    assert.equal(stderr, 'interrupted\n')
    assert.equal(JSON.parse(stdout).finishReason, 'abort')
  })

  test('a prompt that does not end is waited for until Ctrl-C', async () => {
    // More than a pipe holds: when it is written, the program reads.
    const { code, stderr } = await program([...ASK, '-'], {
      input: 'What is this? '.repeat(100_000),
      isOpen: true,
      onStart: (child) => child.stdin?.once('drain', () => child.kill('SIGINT')),
    })
    assert.deepEqual([code, stderr], [130, 'interrupted\n'])
  })
})

describe('llava ask refuses', { concurrency: 2 }, () => {
  const failures: readonly (readonly [string, number, string, RegExp, readonly string[]])[] = [
    ['a missing prompt', 2, 'USAGE', /needs a prompt/, ['ask', '--model', MODEL]],
    [
      'an unknown option',
      2,
      'USAGE',
      /did you mean --max-tokens\?/,
      [...ASK, '--max-token', '3', 'Hi'],
    ],
    [
      'an option without its value',
      2,
      'USAGE',
      /--image <file>: the value is missing/,
      [...ASK, 'Hi', '--image'],
    ],
    [
      'a value out of range',
      2,
      'INPUT_OPTION',
      /temperature should be 0 or more/,
      [...ASK, 'Hi', '--temperature', '-1'],
    ],
    [
      'an unknown precision',
      2,
      'USAGE',
      /should be auto, f32/,
      ['ask', '--precision', 'int9', 'Hi'],
    ],
    ['a quirk that is none', 2, 'CONFIG_QUIRK', /fitt/, [...ASK, '--quirk', 'fitt=pad', 'Hi']],
    [
      'an unknown form of the cache',
      2,
      'USAGE',
      /--kv-cache should be f32, int8/,
      [...ASK, '--kv-cache', 'f8', 'Hi'],
    ],
    [
      'words outside quotes',
      2,
      'USAGE',
      /put texts with spaces in quotes/,
      [...ASK, 'Hi', 'there'],
    ],
    [
      'an unknown verb',
      2,
      'USAGE',
      /unknown verb "akk"; there are ask.* Did you mean ask\?/,
      ['akk'],
    ],
    [
      'a model that does not exist',
      1,
      'C',
      /no-such-model/,
      ['ask', '--model', 'no-such-model', 'Hi'],
    ],
    [
      'a picture that does not exist',
      1,
      'INPUT_IMAGE_MISSING',
      /check the path/,
      [...ASK, '--image', 'no.jpg', 'Hi'],
    ],
    [
      'a text file named .jpg',
      1,
      'INPUT_IMAGE_UNREADABLE',
      /expected a whole PNG, JPEG/,
      [...ASK, '--image', TEXT_FILE, 'Hi'],
    ],
    [
      'a picture without a place',
      1,
      'INPUT_IMAGE',
      /0 image placeholders|no image placeholders/,
      [...ASK, '--raw', '--image', PHOTO, 'Hi'],
    ],
    [
      'a prompt longer than the context',
      1,
      'INPUT_CONTEXT',
      /more than the context of 20/,
      [...ASK, '--max-context', '20', '--image', PHOTO, 'Hi'],
    ],
  ]
  for (const [what, exitCode, errorCode, message, args] of failures) {
    test(what, async () => {
      const { code, stdout, stderr } = await llava([...args, '--json'])
      const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
      assert.match(error.message, message)
      assert.ok(error.code.startsWith(errorCode), error.code)
      assert.equal(code, exitCode)
      assert.match(stderr, /^error: /)
      assert.doesNotMatch(stderr, /^\s+at /m, 'no stack for what is not our bug')
    })
  }
})

describe('llava', { concurrency: 2 }, () => {
  test('--version is the version of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    assert.equal((await program(['--version'])).stdout, `${version}\n`)
  })

  test('--help names every verb, and each verb explains its options with examples', async (t) => {
    const { stdout } = await program(['--help'])
    for (const { name } of VERBS) {
      assert.match(stdout, new RegExp(`^  ${name}\\b`, 'm'))
      const print = t.mock.method(console, 'info', () => {})
      assert.equal((await llava([name, '--help'])).code, 0)
      const help = print.mock.calls.map(({ arguments: lines }) => lines.join(' ')).join('\n')
      print.mock.restore()
      assert.match(help, /--json/)
      assert.match(help, new RegExp(`Examples:\n  \\$ llava ${name}`))
    }
  })

  test(
    'an answer that finds no room is told in a line',
    { skip: !existsSync('/dev/full') },
    async () => {
      const full = openSync('/dev/full', 'w')
      try {
        const program = resolve('dist/program/main.js')
        const child = spawn(process.execPath, [program, 'ask', '--help'], {
          stdio: ['ignore', full, 'pipe'],
        })
        const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, 'exit')])
        assert.match(stderr, /stdout, it cannot be written \(ENOSPC\).* \[SYSTEM\]\n$/)
        assert.equal(code, 1)
      } finally {
        closeSync(full)
      }
    },
  )

  test('a reader that goes away ends it without a word', async () => {
    const { code, stderr } = await program(['ask', '--help'], { reads: 'stderr' })
    assert.equal(stderr, '')
    assert.equal(code, 0)
  })
})

test(
  'a pipe is no picture, and nobody waits for one to write into it',
  { skip: process.platform === 'win32' },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'llava-pipe-'))
    const pipe = join(folder, 'pipe.png')
    try {
      execFileSync('mkfifo', [pipe])
      const model = ['--model', 'fixtures/inference/mini-vit-crop']
      for (const args of [
        ['ask', ...model, '--image', pipe, 'Hi'],
        ['inspect', pipe, ...model],
      ]) {
        const { code, stderr } = await llava(args)
        assert.match(stderr, /it is no file; check the path|no folder or file/)
        assert.equal(code, 1)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

/** Takes a request and never answers. */
async function deafServer(): Promise<{ server: Server; url: string; requested: Promise<void> }> {
  const server = createServer()
  const requested = new Promise<void>((resolve) => server.once('request', () => resolve()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { server, url: `http://127.0.0.1:${port}/photo.jpg`, requested }
}

test('llava launch starts nothing that an engine cannot serve', async () => {
  const { code, stdout, stderr } = await llava([
    'launch',
    'vllm',
    'fixtures/inference/mini-vit-crop',
  ])
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(
    stderr,
    /vLLM cannot serve this model: its tower is a ViT.*serve it with llava serve/,
  )
  const known = await llava(['launch', 'vllm', 'fixtures/inference/llava-mlp'])
  assert.equal(known.code, 0)
  assert.match(known.stdout, /^vllm serve /m)
})

test('what llava launch is told of a checkpoint stands in the commands that it prints', async () => {
  const name = 'language_model.model.layers.0.self_attn.q_proj.weight'
  const adapter = join(FOLDER, 'lora')
  await writeTinyAdapter(adapter, new Map([[name, [WIDTH, WIDTH]]]), () => 1)
  for (const told of [
    [MODEL, '--adapter', adapter, '--quirk', 'fit=pad', '--template', 'vicuna_v1'],
    [adapter, '--base', MODEL],
  ]) {
    const [convert = ''] = (await llava(['launch', 'vllm', ...told])).stdout.split('\n')
    assert.ok(convert.startsWith(`npx llava convert ${told.join(' ')} --to llava-hf`), convert)
    // What is printed does what it says.
    const { code, stderr } = await program(convert.split(' ').slice(2), { cwd: FOLDER })
    assert.equal(code, 0, stderr)
  }
  const asked = ['launch', 'sglang', MODEL, '--template', 'vicuna_v1', '--host', '[::1]']
  const front = (await llava(asked)).stdout.split('\n')[1]
  assert.match(front ?? '', /--upstream 'http:\/\/\[::1\]:30000' .*--template vicuna_v1$/)
})
