/** A conversation as a script holds it: lines on stdin, answers on stdout. */
import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { describe, test } from 'node:test'
import { llava, program } from './run-cli.ts'

const MODEL = resolve('fixtures/inference/llava-mlp')
const PHOTO = resolve('fixtures/pictures/photo-640x480.jpg')
const CLIP = resolve('fixtures/pictures/clip')
const CHAT = ['chat', '--model', MODEL, '--precision', 'f32', '--max-tokens', '4', '--ignore-eos']

describe('llava chat', { concurrency: 2 }, () => {
  test('remembers what was said and shown, until /reset', async () => {
    // Editors on Windows begin a file so; it was a part of the question.
    const input = `\ufeffHello\n/image ${PHOTO}\nWhat is it?\nAre you\\\nsure?\n/reset\nHello\n/exit\nnever said\n`
    const { code, stdout } = await llava([...CHAT, '--json'], input)
    assert.equal(code, 0)
    const { turns, model, precision } = JSON.parse(stdout)
    assert.equal(model, MODEL)
    assert.equal(precision, 'f32')
    assert.deepEqual(
      turns.map((turn: { prompt: string }) => turn.prompt),
      ['Hello', 'What is it?', 'Are you\nsure?', 'Hello'],
    )
    const [hello, seen, sure, again] = turns
    assert.deepEqual(seen.images, [PHOTO])
    assert.equal(hello.answer.usage.imageTokens, 0)
    assert.equal(seen.answer.usage.imageTokens, 576)
    assert.equal(sure.answer.usage.imageTokens, 576)
    assert.ok(sure.answer.usage.promptTokens > seen.answer.usage.promptTokens)
    assert.deepEqual(again.answer.tokens, hello.answer.tokens)
  })

  test('/exit and /quit end it', async () => {
    for (const word of ['/exit', '/quit']) {
      const { code, stdout, stderr } = await llava([...CHAT, '--json'], `${word}\nnever said\n`)
      assert.equal(code, 0, stderr)
      assert.deepEqual(JSON.parse(stdout).turns, [])
    }
  })

  test('answers go to stdout, everything else to stderr, and mistakes end nothing', async () => {
    const input = '/image no.jpg\n/dance\n/help\nHello\n'
    const { code, stdout, stderr } = await llava(CHAT, input)
    assert.equal(code, 0)
    assert.match(stderr, /error: .*expected a picture at no\.jpg, .* \[INPUT_IMAGE_MISSING\]/)
    assert.match(stderr, /There is no \/dance/)
    assert.match(stderr, /\/reset +forgets/)
    assert.doesNotMatch(stdout, /image|dance|reset/)
    assert.notEqual(stdout.trim(), '')
  })

  test('/image says what a picture takes beside the others, turned as it is shown', async () => {
    const turned = resolve('fixtures/pictures/exif-rotated-320x240.jpg')
    const model = ['--model', resolve('fixtures/inference/next-qwen'), '--auto-orient']
    const flags = ['--max-tokens', '1', '--quirk', 'severalPictures=single']
    const input = `/image ${turned}\n/image ${PHOTO}\n/exit\n`
    const { code, stderr } = await llava(['chat', ...model, ...flags], input)
    assert.equal(code, 0)
    const [, alone] = /240 × 320, (\d+) tokens; it goes/.exec(stderr) ?? []
    assert.ok(Number(alone) > 577, stderr)
    assert.match(stderr, /640 × 480, 577 tokens, as each of the 2 pictures now; it goes/)
  })

  test('/video says how many frames of a clip are taken, and at once what is wrong with one', async () => {
    const input = `/video ${CLIP}\n/video no.mp4\nWhat is it?\n`
    const { code, stdout, stderr } = await llava([...CHAT, '--json'], input)
    assert.equal(code, 0)
    assert.ok(stderr.includes(`${CLIP}: 8 frames from 0.0 to 7.0 s, 1152 tokens; it goes with`))
    assert.match(stderr, /error: .*no\.mp4/)
    assert.deepEqual(JSON.parse(stdout).turns[0].videos, [CLIP])
  })

  test('Ctrl-C without an answer to stop ends it with 130', async () => {
    const { code, stderr } = await program(CHAT, {
      input: '/dance\n',
      isOpen: true,
      onStart: (child) => child.stderr?.once('data', () => child.kill('SIGINT')),
    })
    assert.equal(code, 130)
    assert.match(stderr, /interrupted\n$/)
  })
})
