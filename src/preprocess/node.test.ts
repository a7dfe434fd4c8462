import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { performance } from 'node:perf_hooks'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { anonymousBytes, skipsMemory } from '../../test/anonymous-bytes.ts'
import { collectGarbage } from '../../test/collect-garbage.ts'
import { CapacityError, InputError } from '../core/errors.ts'
import { schemeOf } from './image-source.ts'
import { createPreprocessor, imageSizeOf, readImage } from './node.ts'
import { parseImageProcessor } from './parse-image-processor.ts'
import { preprocessImage } from './preprocess-image.ts'

const FOLDER = 'fixtures/pictures'
const PHOTO = `${FOLDER}/photo-640x480.jpg`
const ROTATED = `${FOLDER}/exif-rotated-320x240.jpg`
const photoBytes = new Uint8Array(readFileSync(PHOTO))
const processor = parseImageProcessor({
  image_processor_type: 'LlavaNextImageProcessor',
  size: { shortest_edge: 336 },
  crop_size: 336,
})

test('a path, a URL, bytes, a Blob and a data: URL are the same picture', async () => {
  const { data } = await readImage(PHOTO)
  const base64 = Buffer.from(photoBytes).toString('base64')
  for (const source of [
    pathToFileURL(PHOTO),
    pathToFileURL(PHOTO).href,
    photoBytes,
    new Blob([photoBytes]),
    `data:image/jpeg;base64,${base64}`,
  ]) {
    assert.deepEqual((await readImage(source)).data, data)
  }
})

test('a path may have a colon in its name', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-colon-'))
  try {
    const path = join(folder, 'photo-12:30.jpg')
    copyFileSync(PHOTO, path)
    assert.deepEqual(imageSizeOf(relative('.', path)), { width: 640, height: 480 })
    assert.equal(schemeOf('photo-12:30.jpg'), undefined)
    assert.equal(schemeOf('file:x.png'), undefined)
    for (const url of ['file:/a/x.png', 'file:///a/x.png', 'FILE://host/x.png'])
      assert.equal(schemeOf(url), 'file')
    assert.equal(schemeOf('s3://bucket/photo.jpg'), 's3')
    assert.equal(schemeOf(new URL('blob:nodedata:1')), 'blob')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('nothing of a picture is kept when it is read', async () => {
  const { default: sharp } = await import('sharp')
  for (let i = 0; i < 3; i++) await readImage(PHOTO)
  assert.equal(sharp.cache().items.current, 0)
})

test('sources that cannot be read say why', async () => {
  await assert.rejects(readImage('nowhere.jpg'), {
    code: 'INPUT_IMAGE_MISSING',
    message: /nowhere\.jpg.*ENOENT/,
  })
  await assert.rejects(readImage('https://example.com/a.jpg'), { code: 'INPUT_IMAGE_SOURCE' })
  await assert.rejects(readImage('data:image/png,abc'), { code: 'INPUT_IMAGE_SOURCE' })
  await assert.rejects(readImage('data:image/png;base64,%%%'), { code: 'INPUT_IMAGE_SOURCE' })
  await assert.rejects(readImage(7 as never), { code: 'INPUT_IMAGE_SOURCE' })
  const unlimited = await readImage(PHOTO, {
    maxBytes: Infinity,
    maxPixels: Infinity,
    maxSide: Infinity,
  })
  assert.equal(unlimited.width, 640)
  await assert.rejects(readImage(PHOTO, { maxPixels: 10n, maxBytes: NaN } as never), {
    code: 'INPUT_OPTION_VALUE',
    message:
      'readImage: maxPixels should be a whole number from 1, or Infinity, 10n came; maxBytes should be a whole number from 1, or Infinity, NaN came.',
  })
  await assert.rejects(readImage(PHOTO, { maxBytes: 100 }), { code: 'INPUT_IMAGE_TOO_LARGE' })
  await assert.rejects(readImage(PHOTO, { maxPixels: 640 * 480 - 1 }), {
    code: 'INPUT_IMAGE_TOO_LARGE',
  })
  await assert.rejects(readImage(PHOTO, { rotate: true } as never), {
    code: 'INPUT_UNKNOWN_OPTION',
  })
})

test('a header tells the size that the picture will have', async () => {
  for (const autoOrient of [false, true]) {
    const { width, height } = await readImage(ROTATED, { autoOrient })
    assert.deepEqual(imageSizeOf(ROTATED, { autoOrient }), { width, height })
  }
  assert.throws(() => imageSizeOf(new Blob([photoBytes])), { code: 'INPUT_IMAGE_SOURCE' })
})

test('workers give what the same thread gives, and say what the file was', async () => {
  await using preprocessor = createPreprocessor()
  const expected = preprocessImage(await readImage(PHOTO), processor)
  const { file, ...prepared } = await preprocessor.preprocess(PHOTO, processor)
  assert.deepEqual(prepared, expected)
  assert.deepEqual(file, { format: 'jpeg', orientation: 1, isOrientationIgnored: false })
  const rotated = await preprocessor.preprocess(ROTATED, processor)
  assert.equal(rotated.file!.isOrientationIgnored, true)
})

test('pixels need no file, whatever their channels', async () => {
  await using preprocessor = createPreprocessor()
  const { data, width, height } = await readImage(`${FOLDER}/grey-180x240.png`)
  const expected = preprocessImage({ data, width, height, channels: 3 }, processor)
  const grey = data.filter((_, i) => i % 3 === 0)
  for (const pixels of [
    { data, width, height },
    { data: grey, width, height },
  ]) {
    const { file, ...prepared } = await preprocessor.preprocess(pixels, processor)
    assert.equal(file, null)
    assert.deepEqual(prepared.tiles, expected.tiles)
  }
  await assert.rejects(preprocessor.preprocess({ data: grey, width, height: 7 }, processor), {
    code: 'INPUT_IMAGE_SHAPE',
  })
})

test('errors cross from workers with class and code', async () => {
  await using preprocessor = createPreprocessor()
  const cut = photoBytes.subarray(0, 20_000)
  await assert.rejects(preprocessor.preprocess(cut, processor), (error) => {
    assert.ok(error instanceof InputError)
    assert.equal(error.code, 'INPUT_IMAGE_UNREADABLE')
    return true
  })
  await preprocessor.preprocess(PHOTO, processor)
})

test('an aborted call rejects with its reason and hurts no other', async () => {
  await using preprocessor = createPreprocessor({ workers: 1 })
  const reason = new Error('no longer wanted')
  const controller = new AbortController()
  const calls = [0, 1, 2].map(() =>
    preprocessor.preprocess(PHOTO, processor, { signal: controller.signal }),
  )
  const kept = preprocessor.preprocess(PHOTO, processor)
  const rejected = Promise.all(calls.map((call) => assert.rejects(call, reason)))
  controller.abort(reason)
  await rejected
  assert.equal((await kept).tiles.shape[0], 5)
  await assert.rejects(
    preprocessor.preprocess(PHOTO, processor, { signal: controller.signal }),
    reason,
  )
})

test('a worker keeps no pixels of a picture that is done', { skip: skipsMemory }, async () => {
  const { default: sharp } = await import('sharp')
  const create = { width: 6000, height: 4000, channels: 3, background: 'teal' } as const
  const file = await sharp({ create }).jpeg().toBuffer()
  const megabytes = () => {
    collectGarbage()
    return anonymousBytes() / 1e6
  }
  await using preprocessor = createPreprocessor({ workers: 1 })
  await preprocessor.preprocess(PHOTO, processor)
  const before = megabytes()
  await preprocessor.preprocess(file, processor)
  for (let tries = 0; tries < 50 && megabytes() > before + 36; tries++) await setTimeout(100)
  // The picture has 72 MB.
  assert.ok(megabytes() < before + 36, `${before.toFixed()} MB, then ${megabytes().toFixed()}`)
})

test('after dispose everything is refused', async () => {
  const preprocessor = createPreprocessor()
  const running = preprocessor.preprocess(PHOTO, processor)
  const refused = assert.rejects(running, CapacityError)
  await preprocessor.dispose()
  await refused
  await assert.rejects(preprocessor.preprocess(PHOTO, processor), { code: 'CAPACITY_DISPOSED' })
})

/** Share of the time that the loop may be busy; on this thread the same work would take all of it. */
const BUSY_SHARE = 0.5

test('the event loop is free while pictures are prepared', async () => {
  await using preprocessor = createPreprocessor()
  const image = { data: new Uint8Array(1200 * 1200 * 3), width: 1200, height: 1200 }
  await preprocessor.preprocess(image, processor)
  // Not the longest delay: on a loaded machine that tells what others do.
  const before = performance.eventLoopUtilization()
  await Promise.all(Array.from({ length: 6 }, () => preprocessor.preprocess(image, processor)))
  const { utilization } = performance.eventLoopUtilization(before)
  assert.ok(utilization < BUSY_SHARE, `busy ${utilization}`)
})

// A worker without a picture kept the process alive.
for (const [when, work] of [
  ['after a picture', 'await preprocessor.preprocess(process.argv[2], processor)'],
  ['before any picture', 'preprocessor.warm()'],
]) {
  test(`a process that disposes of nothing ends by itself ${when}`, async () => {
    const script = `
      const { createPreprocessor, parseImageProcessor } = await import(process.argv[1])
      const processor = parseImageProcessor({ image_processor_type: 'CLIPImageProcessor' })
      const preprocessor = createPreprocessor()
      ${work}
      process.stdout.write('done')`
    const index = new URL('./index.js', import.meta.url).href
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', script, index, PHOTO],
      { timeout: 20_000 },
    )
    assert.equal(stdout, 'done')
  })
}

test(
  'a device, which may never end, is refused',
  { skip: process.platform === 'win32' },
  async () => {
    const refusal = { code: 'INPUT_IMAGE_MISSING', message: /no file/ }
    await assert.rejects(readImage('/dev/zero'), refusal)
    assert.throws(() => imageSizeOf('/dev/zero'), refusal)
  },
)
