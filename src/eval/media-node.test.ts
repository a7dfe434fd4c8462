import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { MediaFolder } from './media-node.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-media-'))
after(() => rmSync(folder, { recursive: true }))
const put = (name: string) => {
  mkdirSync(dirname(join(folder, name)), { recursive: true })
  writeFileSync(join(folder, name), name)
  return join(folder, name)
}

test('what lies at its name is taken, whatever else has that name', () => {
  const own = put('own/1.jpg')
  put('other/1.jpg')
  assert.equal(new MediaFolder(folder).find('own/1.jpg'), own)
  assert.equal(new MediaFolder(folder).find('1.jpg'), null, 'one of two would be another’s')
})

test('what no file can be called is nowhere, and told shortly', () => {
  const media = new MediaFolder(folder)
  for (const name of ['x'.repeat(10_000), `${'x/'.repeat(5000)}1.jpg`, 'a\0.jpg']) {
    assert.equal(media.find(name), null)
    assert.throws(
      () => media.path(name),
      ({ code, message }: Error & { code: string }) => {
        return code === 'INPUT_PICTURE_MISSING' && message.length < 1000
      },
    )
  }
})

test('clips are found in the folder of their archive, in any container, or as frames', () => {
  const film = put('NExTVideo/4882821564.MP4')
  const other = put('all_test/v_1QIUV7WYKXg.webm')
  put('tvqa/frames/clip_00/00001.jpg')
  const media = new MediaFolder(folder)
  assert.equal(media.find('videos/4882821564.mp4'), film)
  assert.equal(media.find('v_1QIUV7WYKXg.mp4'), other)
  assert.equal(media.find('elsewhere/clip_00'), join(folder, 'tvqa/frames/clip_00'))
})

test('pictures behind a link to their folder are found, and a link that leads back up is followed once', () => {
  const own = mkdtempSync(join(tmpdir(), 'llava-links-'))
  try {
    mkdirSync(join(own, 'data/deep'), { recursive: true })
    put('elsewhere-coco/COCO_1.jpg')
    symlinkSync(join(folder, 'elsewhere-coco'), join(own, 'data/val2014'), 'dir')
    symlinkSync(own, join(own, 'data/deep/up'), 'dir')
    assert.equal(
      new MediaFolder(join(own, 'data')).find('train/COCO_1.jpg'),
      join(own, 'data/val2014/COCO_1.jpg'),
    )
  } finally {
    rmSync(own, { recursive: true })
  }
})

test('a picture is no clip and no text, and only a named folder is searched', () => {
  put('answers/5.json')
  put('clips/6.mp4')
  const media = new MediaFolder(folder)
  assert.deepEqual([media.find('5.png'), media.find('6.png')], [null, null])
  assert.throws(() => media.path('5.png'), { code: 'INPUT_PICTURE_MISSING' })
  assert.equal(new MediaFolder(undefined).find('6.mp4'), null)
})

test('a picture of COCO is found by its number, with the split before it or without', () => {
  const long = put('val2014/COCO_val2014_000000441210.jpg')
  const short = put('val2017/000000000139.jpg')
  const media = new MediaFolder(folder)
  assert.equal(media.find('000000441210.jpg'), long)
  assert.equal(media.find('COCO_val2014_000000000139.jpg'), short)
  put('val2017/000000441210.jpg')
  const again = new MediaFolder(folder)
  assert.equal(again.find('COCO_val2014_000000441210.jpg'), long, 'its whole name comes first')
})

test('a picture that is missing is not another question’s of that name', () => {
  const first = put('science/1/image.png')
  const names = ['1/image.png', '2/image.png', '3/image.png']
  const science = new MediaFolder(join(folder, 'science'), names)
  assert.deepEqual(
    names.map((name) => science.find(name)),
    [first, null, null],
  )
  // Nor is it where the archive was unpacked deeper.
  const above = new MediaFolder(folder, ['test/1/image.png', 'test/2/image.png'])
  assert.deepEqual([above.find('test/1/image.png'), above.find('test/2/image.png')], [first, null])

  put('mme/existence/1.jpg')
  put('mme/count/2.jpg')
  const inside = put('mme/artwork/images/7.jpg')
  const mme = new MediaFolder(join(folder, 'mme'))
  assert.equal(mme.find('count/1.jpg'), null, 'the folder that it names is there, without it')
  assert.equal(mme.find('artwork/7.jpg'), inside)
})

test('a clip that questions name in two folders is found in the one that is more like its own', () => {
  const film = put('mvbench/star/Charades_v1_480/X.mp4')
  const media = new MediaFolder(join(folder, 'mvbench'), [
    'star/Charades_segment/X.mp4',
    'sta/sta_video_segment/X.mp4',
  ])
  assert.equal(media.find('star/Charades_segment/X.mp4'), film)
  assert.equal(media.find('sta/sta_video_segment/X.mp4'), null)
})
