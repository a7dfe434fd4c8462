import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Sharp } from 'sharp'
import { InputError } from '../core/errors.ts'
import { decodeImage, loadSharp } from './decode-image.ts'
import { imageSizeOf } from './node.ts'
import { orientImage } from './orient-image.ts'
import { probeImage, type Orientation } from './probe-image.ts'

const ORIENTATIONS = [1, 2, 3, 4, 5, 6, 7, 8] as const
const XMP = '<x:xmpmeta><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'

/** Lossless enough: colours that change slowly, stored at full size. */
async function picture(width: number, height: number): Promise<Sharp> {
  const sharp = await loadSharp()
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [pixel, channel] = [Math.floor(i / 3), i % 3]
    return [(pixel % width) * 3, Math.floor(pixel / width) * 3, 128][channel] as number
  })
  return sharp(data, { raw: { width, height, channels: 3 } })
}

const avif = (from: Sharp) => from.avif({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer()

const turned = async (width: number, height: number, orientation: Orientation) =>
  avif((await picture(width, height)).withMetadata({ orientation }))

for (const [width, height] of [
  [5, 3],
  [64, 64],
  [33, 20],
] as const) {
  test(`an AVIF of ${width} × ${height} is read as it is stored, or upright, whatever way its container turns it`, async () => {
    const stored = await decodeImage(await avif(await picture(width, height)))
    for (const orientation of ORIENTATIONS) {
      const file = await turned(width, height, orientation)
      const plain = await decodeImage(file)
      assert.equal(plain.orientation, orientation)
      assert.equal(plain.isOrientationIgnored, orientation !== 1)
      assert.deepEqual([plain.width, plain.height, ...plain.data], [width, height, ...stored.data])
      const upright = await decodeImage(file, { autoOrient: true })
      const { data, ...size } = orientImage(stored, orientation)
      assert.deepEqual([upright.width, upright.height], [size.width, size.height])
      assert.deepEqual([...upright.data], [...data])
      assert.deepEqual(imageSizeOf(file, { autoOrient: true }), {
        width: size.width,
        height: size.height,
      })
    }
  })
}

test('an AVIF that is mirrored before it is turned is read as it is stored; the orientation is that of the other order', async () => {
  const stored = await decodeImage(await avif(await picture(33, 20)))
  for (const orientation of [5, 7] as const) {
    const file = await turned(33, 20, orientation)
    // Behind the id of the item: how many properties, and their places.
    const list = file.indexOf('ipma') + 14
    const last = list + file.readUInt8(list)
    const [first, second] = [file.readUInt8(last - 1), file.readUInt8(last)]
    file.set([second, first], last - 1)
    const plain = await decodeImage(file)
    assert.equal(plain.orientation, orientation)
    assert.deepEqual([...plain.data], [...stored.data])
  }
})

test('of an AVIF film the first frame is read, whatever the first of its brands', async () => {
  const file = await avif(await picture(33, 20))
  const { data } = await decodeImage(file)
  for (const brand of ['avis', 'msf1', 'MA1B']) {
    const film = Buffer.from(file)
    film.write(brand, 8)
    const before = Buffer.from(film)
    assert.deepEqual((await decodeImage(film)).data, data)
    assert.deepEqual(film, before)
  }
})

test('XMP says the orientation of an AVIF where its container and Exif say none', async () => {
  const plain = await picture(33, 20)
  const xmp = plain.clone().withXmp(XMP)
  const orientation = async (from: Sharp) => probeImage(await avif(from)).orientation
  assert.equal(await orientation(xmp), 6)
  assert.equal(await orientation(xmp.clone().withExif({ IFD0: { Orientation: '1' } })), 1)
  assert.equal(await orientation(xmp.clone().withMetadata({ orientation: 3 }).withXmp(XMP)), 3)
  const { data, width, height } = await decodeImage(await avif(xmp))
  const stored = await decodeImage(await avif(plain))
  assert.deepEqual([width, height, ...data], [33, 20, ...stored.data])
})

test('a damaged or cut AVIF gives a header or an InputError, at once', async () => {
  const file = await avif((await picture(33, 20)).withMetadata({ orientation: 5 }).withXmp(XMP))
  // What is behind are the pixels.
  const end = file.indexOf('mdat') + 8
  const edit = fc.tuple(fc.nat({ max: end }), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 6 }), fc.nat({ max: file.length }), (edits, cut) => {
      const damaged = Uint8Array.from(file)
      for (const [at, byte] of edits) damaged[at] = byte
      const before = process.cpuUsage() // not the clock: other tests run at the same time
      for (const bytes of [damaged, damaged.subarray(0, cut)]) {
        try {
          probeImage(bytes)
        } catch (error) {
          assert.ok(error instanceof InputError, String(error))
        }
      }
      assert.ok(process.cpuUsage(before).user < 5e5)
    }),
    { numRuns: 1000 },
  )
})
