/** Every kind of input, from the file to what a model is asked. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { pack } from 'tar-stream'
import { InputError } from '../core/errors.ts'
import type { LabelEvent } from './index.ts'
import {
  root,
  newPath,
  png,
  gif,
  folderOf,
  echo,
  shown,
  shaOf,
  run,
  withoutModes,
  asNobody,
} from '../../test/label-runs.ts'

describe('an input', () => {
  test('that is a folder: pictures and clips below it, by path; other files are counted', async () => {
    const input = folderOf(['b/2.png', 'a.JPG', 'b/1.mp4', 'notes.txt', '.hidden/3.png'])
    const { lines, report } = await run({ input })
    assert.deepEqual(
      lines.map(({ item_id }) => item_id),
      ['a.JPG', 'b/1.mp4', 'b/2.png'],
    )
    assert.match(lines[1]!.text!, /^what\? video .*b\/1\.mp4$/)
    assert.equal(lines[2]!.text, `what? image ${shaOf(readFileSync(join(input, 'b/2.png')))}`)
    assert.equal(report.skipped, 1)
  })

  test(
    'that may not be read in parts: a folder is counted and told of, a file is an error',
    { skip: withoutModes },
    async () => {
      // A folder of somebody else's ended the whole run.
      const input = folderOf(['a.png', 'b.png', 'c/1.png', 'd/1.png', 'e.mp4'])
      chmodSync(join(input, 'b.png'), 0)
      chmodSync(join(input, 'c'), 0)
      chmodSync(join(input, 'd'), 0o444)
      chmodSync(join(input, 'e.mp4'), 0)
      const events: LabelEvent[] = []
      await asNobody(async () => {
        const { lines, report } = await run({ input, maxErrors: 4 }, (one) => events.push(one))
        assert.deepEqual(
          lines.map(({ item_id, error }) => [item_id, error?.code]),
          ['a.png', 'b.png', 'd/1.png', 'e.mp4'].map((name) => [
            name,
            name === 'a.png' ? undefined : 'INPUT_LABEL_MEDIA',
          ]),
        )
        for (const { error } of lines.slice(1)) assert.match(error!.message, /be read.*EACCES/)
        assert.equal(report.skipped, 1)
        const folders = await run({ input, clipFolders: true }, (one) => events.push(one))
        assert.equal(folders.report.skipped, 2)
        const named = await run({ input: [`${input}/*.png`, `${input}/*/*.png`], maxErrors: 3 })
        assert.equal(named.report.failed, 2)
      }).finally(() => ['c', 'd'].forEach((name) => chmodSync(join(input, name), 0o700)))
      assert.deepEqual(
        events.flatMap((event) => (event.type === 'left-out' ? event.path : [])),
        [join(input, 'c'), join(input, 'c')],
      )
    },
  )

  test('that has links to folders: what lies there is labelled, what they cannot lead to is counted', async () => {
    // Linked folders were left out, and nobody said so.
    const input = folderOf(['y.png'])
    const elsewhere = folderOf(['x.png', 'deep/z.png'])
    for (const [name, target] of [
      ['linked', elsewhere],
      ['linked-too', elsewhere],
      ['gone.png', 'nothing.png'],
      ['circle', '.'],
    ] as const) {
      symlinkSync(target, join(input, name))
    }
    const { lines, report } = await run({ input })
    const files = ['deep/z.png', 'x.png'].flatMap((name) => [
      `linked-too/${name}`,
      `linked/${name}`,
    ])
    assert.deepEqual(
      lines.map(({ item_id, text }) => [item_id, text]),
      [...files.sort(), 'y.png'].map((name) => [
        name,
        `what? image ${shaOf(readFileSync(join(input, name)))}`,
      ]),
    )
    assert.equal(report.skipped, 2)
    const clips = await run({ input, clipFolders: true })
    assert.deepEqual(
      clips.lines.map(({ item_id }) => item_id),
      ['.', 'linked', 'linked-too', 'linked-too/deep', 'linked/deep'],
    )
  })

  test(
    'with a name that is no UTF-8: that item is an error that says so',
    { skip: process.platform !== 'linux' },
    async () => {
      const input = folderOf(['a.png'])
      writeFileSync(
        Buffer.concat([Buffer.from(`${input}/b`), Buffer.from([0xff]), Buffer.from('.png')]),
        png(1, 1),
      )
      const { lines } = await run({ input, maxErrors: 1 })
      assert.deepEqual([lines[0]!.error, lines[1]!.error!.code], [null, 'INPUT_LABEL_MEDIA'])
      assert.match(lines[1]!.error!.message, /its name is no UTF-8, rename it/)
    },
  )

  test('of folders of frames: each is a clip', async () => {
    const input = folderOf(['x/1.png', 'x/2.png', 'y/z/1.png', 'x/w/1.png'])
    const { lines } = await run({ input, clipFolders: true, frames: 2 })
    assert.deepEqual(
      lines.map(({ item_id, text }) => [item_id, text!.slice(0, 11)]),
      ['x', 'x/w', 'y/z'].map((name) => [name, 'what? video']),
    )
  })

  test('of GIFs: those that move are clips, the others pictures', async () => {
    const folder = newPath('gifs')
    mkdirSync(folder)
    for (const [name, frames] of [
      ['moves.gif', 3],
      ['still.gif', 1],
    ] as const) {
      writeFileSync(join(folder, name), gif(frames))
    }
    const { lines } = await run({ input: folder })
    assert.deepEqual(
      lines.map(({ text }) => text!.slice(0, 11)),
      ['what? video', 'what? image'],
    )
  })

  test('of several pictures by a pattern', async () => {
    const folder = folderOf(['p-1.png', 'p-2.png', 'q.png'])
    const { lines } = await run({ input: [`${folder}/p-{1..2}.png`, `${folder}/q*.png`] })
    assert.deepEqual(
      lines.map(({ item_id }) => item_id.slice(folder.length)),
      ['/p-1.png', '/p-2.png', '/q.png'],
    )
  })

  test('that is a manifest: ids, several pictures, texts, paths beside it or in --media', async () => {
    const folder = folderOf(['1.png', '2.png'])
    const manifest = newPath('rows.jsonl')
    const rows = [
      { id: 7, images: ['1.png', '2.png'], text: 'both' },
      { image: '2.png' },
      { id: 'only', text: 'no picture' },
      { id: 'clip', video: 'film.mp4' },
    ]
    writeFileSync(manifest, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    const { lines } = await run({ input: manifest, media: folder, maxErrors: 1 })
    const [a, b] = ['1.png', '2.png'].map((name) => shaOf(readFileSync(join(folder, name))))
    assert.deepEqual(
      lines.map(({ item_id, text, error }) => [item_id, text ?? error!.code]),
      [
        ['7', `both|what? image ${a} image ${b}`],
        [`${manifest.split('/').at(-1)}#1`, `what? image ${b}`],
        ['only', 'no picture\nwhat? '],
        ['clip', 'INPUT_LABEL_MEDIA'],
      ],
    )
    writeFileSync(join(folder, 'rows.csv'), 'id,file_name,other\nx,1.png,\ny,"2.png",z\n')
    assert.deepEqual(
      (await run({ input: join(folder, 'rows.csv') })).lines.map(({ text }) => text),
      [`what? image ${a}`, `what? image ${b}`],
    )
  })

  test('of a manifest with a row that names nothing: that row is an error, the others are answered', async () => {
    const manifest = newPath('rows.jsonl')
    writeFileSync(manifest, '{"text":"a"}\n{"nothing":1}\n{"image":5,"id":"five"}\n{"text":"b"}\n')
    const { report, lines } = await run({ input: manifest })
    assert.equal(report.failed, 2)
    assert.deepEqual(
      lines.map(({ text, error }) => error?.code ?? text),
      ['a\nwhat? ', 'INPUT_RECORD_STRUCTURE', 'INPUT_RECORD_STRUCTURE', 'b\nwhat? '],
    )
    assert.match(
      lines[1]?.error?.message ?? '',
      /row 1: a row should have image, .* it has nothing/,
    )
    assert.equal(lines[2]?.item_id, 'five')
  })

  test(
    'with pipes and devices: named ones are errors of their rows, those of a folder are left out',
    { skip: process.platform === 'win32', timeout: 30_000 },
    async () => {
      // Listing waited for whoever would write into the pipe, and nothing ended it.
      const folder = folderOf(['a.png'])
      const pipes = ['p.png', 'p.mp4', 'p.jsonl'].map((name) => join(folder, name))
      for (const pipe of pipes) execFileSync('mkfifo', [pipe])
      const rows = newPath('rows.jsonl')
      const names = ['a.png', 'p.png', 'p.mp4', '/dev/zero', '.']
      writeFileSync(rows, names.map((image) => `${JSON.stringify({ image })}\n`).join(''))
      const { lines } = await run({ input: rows, media: folder, maxErrors: 10 })
      assert.deepEqual(
        lines.map(({ error }) => error?.code),
        names.map((name) => (name === 'a.png' ? undefined : 'INPUT_LABEL_MEDIA')),
      )
      const pictures = await run({ input: pipes.slice(0, 2), maxErrors: 2 })
      assert.equal(pictures.report.failed, 2)
      assert.equal((await run({ input: folder })).report.skipped, 3)
      await assert.rejects(run({ input: pipes[2]! }), { code: 'INPUT_LABEL_KIND' })
    },
  )

  test('of frames of which one cannot be opened: its code is that of other media', async () => {
    const input = folderOf(['x/1.png'])
    const unread = new InputError('INPUT_IMAGE_MISSING', 'readImage: x/1.png cannot be opened.')
    const model = echo([], () => Promise.reject(unread))
    const engines = [{ model, name: 'echo' }]
    const { lines } = await run({ input, clipFolders: true, maxErrors: 1, engines })
    assert.deepEqual(lines[0]!.error, { code: 'INPUT_LABEL_MEDIA', message: unread.message })
  })

  test('in which nothing can be listed: the corrected one may take its place', async () => {
    // The queue that it left refused every other input.
    const out = newPath('out.jsonl')
    const [empty, torn] = [newPath('e.json'), newPath('t.jsonl')]
    writeFileSync(empty, '[]')
    writeFileSync(torn, '{"text":"a"}\n{"text":')
    await assert.rejects(run({ input: folderOf(['a.txt']), out }), /\*\.tar/)
    await assert.rejects(run({ input: torn, out }), { code: 'INPUT_DATA_BROKEN' })
    await assert.rejects(run({ input: empty, out }), /rows, there are none; look into the file/)
    const { lines } = await run({ input: folderOf(['1.png']), out })
    assert.equal(lines.length, 1)
    await assert.rejects(run({ input: folderOf(['2.png']), out }), { code: 'INPUT_LABEL_RUN' })
  })

  test('that was an empty folder and no longer is: the same command labels what came', async () => {
    const [input, out] = [folderOf(['a.txt']), newPath('out.jsonl')]
    await assert.rejects(run({ input, out }), { code: 'INPUT_LABEL_EMPTY' })
    writeFileSync(join(input, '1.png'), png(9, 9))
    const { lines } = await run({ input, out })
    assert.equal(lines.length, 1)
  })

  test('of Parquet: pictures in the rows', async () => {
    const pictures = [png(5, 5, 'one'), png(6, 6, 'two'), png(7, 7, 'three')]
    const file = newPath('rows.parquet')
    const bytes = parquetWriteBuffer({
      columnData: [
        { name: 'image', data: pictures.map((one) => new Uint8Array(one)), type: 'BYTE_ARRAY' },
        { name: 'id', data: [30n, 10n, 20n], type: 'INT64' },
      ],
      rowGroupSize: 2,
    })
    writeFileSync(file, new Uint8Array(bytes))
    const { lines } = await run({ input: file })
    assert.deepEqual(
      lines.map(({ item_id, text }) => [item_id, text]),
      ['30', '10', '20'].map((id, i) => [id, `what? image ${shaOf(pictures[i]!)}`]),
    )
  })

  test('that names clips by path, in lists, or as { bytes, path }, in JSON and in Parquet', async () => {
    // `{ path }` was an error where an image was none.
    const folder = newPath('clips')
    mkdirSync(folder)
    writeFileSync(join(folder, 'a.mp4'), 'film')
    const moving = new Uint8Array(gif(3))
    writeFileSync(join(folder, 'b.gif'), moving)
    const path = `video ${join(folder, 'a.mp4').slice(root.length)}`
    const data = `data:video/gif;base64,${Buffer.from(moving).toString('base64')}`
    const rows = [
      [{ video: { path: 'a.mp4' } }, path],
      [{ video: { path: 'b.gif', bytes: null } }, `video ${shaOf(moving)}`],
      [{ videos: ['a.mp4', { path: 'b.gif' }] }, `${path} video ${shaOf(moving)}`],
      [{ video: data }, `video ${shown(data)}`],
    ] as const
    const manifest = join(folder, 'rows.jsonl')
    writeFileSync(manifest, rows.map(([row]) => `${JSON.stringify(row)}\n`).join(''))
    assert.deepEqual(
      (await run({ input: manifest })).lines.map(({ text }) => text),
      rows.map(([, medium]) => `what? ${medium}`),
    )
    const table = parquetWriteBuffer({
      columnData: [
        {
          name: 'video',
          data: [
            { bytes: moving, path: 'z.gif' },
            { bytes: null, path: 'a.mp4' },
          ],
        },
      ],
      schema: [
        { name: 'root', num_children: 1 },
        { name: 'video', num_children: 2, repetition_type: 'OPTIONAL' },
        { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
        { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      ],
    })
    writeFileSync(join(folder, 'rows.parquet'), new Uint8Array(table))
    assert.deepEqual(
      (await run({ input: join(folder, 'rows.parquet') })).lines.map(({ text }) => text),
      [`what? video ${shaOf(moving)}`, `what? ${path}`],
    )
  })

  test('of Parquet with paths: they begin beside it or in --media, addresses are addresses', async () => {
    const folder = folderOf(['1.png'])
    const file = newPath('paths.parquet')
    const url = `file://${join(folder, '1.png')}`
    const bytes = parquetWriteBuffer({
      columnData: [
        {
          name: 'image',
          data: ['1.png', 'https://a.test/x.jpg', url, 'a:1.png', '.'],
          type: 'STRING',
        },
      ],
    })
    writeFileSync(file, new Uint8Array(bytes))
    const { lines } = await run({ input: file, media: folder, maxErrors: 9 })
    const picture = `what? image ${shaOf(readFileSync(join(folder, '1.png')))}`
    const elsewhere = `what? image ${'https://a.test/x.jpg'.slice(root.length)}`
    assert.deepEqual(
      lines.map(({ text, error }) => text ?? error!.code),
      [picture, elsewhere, picture, 'INPUT_LABEL_MEDIA', 'INPUT_LABEL_MEDIA'],
    )
  })

  test('whose names look like addresses: files of folders are files', async () => {
    const input = folderOf(['ab:c.png', 'img:1.png'])
    const { lines, report } = await run({ input })
    assert.equal(report.failed, 0)
    assert.equal(lines[0]!.text, `what? image ${shaOf(readFileSync(join(input, 'ab:c.png')))}`)
  })

  test('with ids that cannot be written as they are: these rows say so', async () => {
    const manifest = newPath('ids.jsonl')
    const ids = [
      '12345678901234567890',
      '{"a":1}',
      '"a\\u0000b"',
      'true',
      '"\\ud800"',
      '1e400',
      '9007199254740991',
    ]
    writeFileSync(manifest, ids.map((id) => `{"id":${id},"text":"t"}\n`).join(''))
    const { lines } = await run({ input: manifest, maxErrors: 9 })
    const title = manifest.split('/').at(-1)
    assert.deepEqual(
      lines.map(({ item_id, error }) => [item_id, error?.code ?? null]),
      [
        ...[0, 1, 2, 3, 4, 5].map((i) => [`${title}#${i}`, 'INPUT_RECORD_STRUCTURE']),
        ['9007199254740991', null],
      ],
    )
    assert.match(lines[0]!.error!.message, /row 0: its id should be .*beyond 2\^53/)
  })

  test('of files of one name in several folders: ids have the path', async () => {
    const folder = newPath('twins')
    const names = ['tr', 'va'].map((name) => join(folder, name, 'rows.jsonl'))
    for (const name of names) {
      mkdirSync(join(name, '..'), { recursive: true })
      writeFileSync(name, '{"text":"a"}\n')
    }
    const { lines } = await run({ input: names })
    assert.deepEqual(
      lines.map(({ item_id }) => item_id),
      names.map((name) => `${name}#0`),
    )
  })

  test('of shards: samples by the first dot, in their order', async () => {
    const folder = newPath('shards')
    mkdirSync(folder)
    for (const shard of ['00', '01']) {
      const tar = pack()
      for (const key of ['b', 'a']) {
        tar.entry({ name: `${key}.json` }, '{}')
        tar.entry({ name: `${key}.0.png` }, png(3, 3, shard + key))
        tar.entry({ name: `${key}.1.png` }, png(4, 4, shard + key))
      }
      tar.entry({ name: 'text.txt' }, 'no picture')
      tar.entry({ name: 'c.png', type: 'link', linkname: 'a.0.png' })
      tar.finalize()
      const bytes = await buffer(tar)
      writeFileSync(join(folder, `s-${shard}.tar`), bytes)
      writeFileSync(join(folder, `s-${shard}.tar.gz`), gzipSync(bytes))
    }
    const { lines, report } = await run({ input: `${folder}/s-{00..01}.tar` })
    const two = (key: string) =>
      [png(3, 3, key), png(4, 4, key)].map((one) => `image ${shaOf(one)}`).join(' ')
    assert.deepEqual(
      lines.map(({ item_id, text }) => [item_id, text]),
      ['00b', '00a', '01b', '01a'].map((key) => [
        `s-${key.slice(0, 2)}/${key.slice(2)}`,
        `what? ${two(key)}`,
      ]),
    )
    assert.equal(report.skipped, 4, 'two texts, and two links')
    const packed = await run({ input: `${folder}/s-{00..01}.tar.gz` })
    assert.deepEqual([packed.lines, packed.report.skipped], [lines, 4])
    const cut = join(folder, 'cut.tgz')
    writeFileSync(cut, readFileSync(join(folder, 's-00.tar.gz')).subarray(0, -20))
    await assert.rejects(run({ input: cut }), { code: 'INPUT_DATA_BROKEN' })
  })

  test('that is a table with ids in several columns: of each row the first that is there', async () => {
    const texts = (name: string, data: (string | null)[]) => ({
      name,
      data,
      type: 'STRING' as const,
    })
    const columnData = [
      texts('text', ['x', 'y', 'z']),
      texts('key', ['k0', 'k1', null]),
      texts('id', ['a', null, null]),
    ]
    const input = newPath('ids.parquet')
    writeFileSync(input, Buffer.from(parquetWriteBuffer({ columnData })))
    const { lines } = await run({ input })
    assert.deepEqual(
      lines.map(({ item_id }) => item_id),
      ['a', 'k1', `${input.slice(root.length + 1)}#2`],
    )
  })

  test('that holds nothing, is not there or of no known kind is refused', async () => {
    await assert.rejects(run({ input: folderOf(['a.txt']) }), { code: 'INPUT_LABEL_EMPTY' })
    await assert.rejects(run({ input: '/none' }), { code: 'INPUT_DATA_MISSING' })
    const packed = newPath('shard.tar.zst')
    writeFileSync(packed, '')
    await assert.rejects(run({ input: packed }), /unpack it once/)
    const empty = newPath('empty.tar')
    writeFileSync(empty, '')
    await assert.rejects(run({ input: empty }), /a whole tar file .*, it has 0 bytes/)
    const twice = newPath('twice.jsonl')
    writeFileSync(twice, '{"id":1,"text":"a"}\n{"id":1,"text":"b"}\n')
    await assert.rejects(run({ input: twice }), {
      code: 'INPUT_LABEL_ID',
      message: /"1" comes twice; give the rows ids that differ/,
    })
    const folder = folderOf(['a.png'])
    await assert.rejects(run({ input: [folder, folder] }), /twice; name each input once/)
    const unsorted = newPath('unsorted.tar')
    const tar = pack()
    for (const name of ['a.png', 'b.png', 'a.gif']) tar.entry({ name }, png(1, 1))
    tar.finalize()
    writeFileSync(unsorted, await buffer(tar))
    await assert.rejects(run({ input: unsorted }), /unsorted\/a" comes twice; .* sort it/)
  })
})
