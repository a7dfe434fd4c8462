/** Runs over every kind of input, with engines that fail, and runs that are stopped and go on. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { execFileSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { pack } from 'tar-stream'
import { CapacityError, InputError } from '../core/errors.ts'
import type { Answer } from '../serve/answer.ts'
import type { GenerateRequest } from '../serve/request.ts'
import { label, type LabelEvent, type LabelModel, type LabelOptions } from './index.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-label-'))
after(() => rmSync(root, { recursive: true }))
let files = 0
const newPath = (name: string) => join(root, `${files++}-${name}`)

/** A PNG header of that size; nobody here decodes what follows. */
function png(width: number, height: number, rest = ''): Buffer {
  const head = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
  const size = Buffer.alloc(13)
  size.writeUInt32BE(width, 0)
  size.writeUInt32BE(height, 4)
  size.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([head, size, Buffer.alloc(4), Buffer.from(rest)])
}

/** One black pixel, so many times. */
function gif(frames: number): Buffer {
  const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')
  const head = bytes('474946383961 0100 0100 80 00 00 000000 000000')
  const frame = bytes('21f904 00 0a00 00 00 2c 0000 0000 0100 0100 00 02 02 4401 00')
  return Buffer.concat([head, ...Array.from({ length: frames }, () => frame), bytes('3b')])
}

function folderOf(names: readonly string[]): string {
  const folder = newPath('folder')
  names.forEach((name, i) => {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), png(10 + i, 10, name))
  })
  return folder
}

type Asked = { readonly request: GenerateRequest; readonly text: string; readonly media: string[] }

/** Says what it was asked: a model whose answers depend on all of the request. */
function echo(
  asked: Asked[] = [],
  hear: (one: Asked) => void | Promise<void> = () => {},
): LabelModel {
  return {
    async generate(request) {
      const { messages } = request as Extract<GenerateRequest, { messages: unknown }>
      const { content } = messages.at(-1)!
      const parts =
        typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content
      const text = parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join('|')
      const media = parts.flatMap((part) => {
        if (part.type === 'image') return `image ${shown(part.image)}`
        return part.type === 'video' ? `video ${shown(part.video)}` : []
      })
      const one = { request, text, media }
      asked.push(one)
      await hear(one)
      const answer = request.responseFormat
        ? JSON.stringify({ n: text.length, say: text, list: [1] })
        : `${text} ${media.join(' ')}`
      return {
        text: answer,
        tokens: [],
        finishReason: 'stop',
        usage: { promptTokens: 3, imageTokens: 0, cachedTokens: 0, completionTokens: 2 },
        timings: {} as Answer['timings'],
      }
    },
  }
}

function shown(source: unknown): string {
  if (source instanceof Uint8Array)
    return createHash('sha1').update(source).digest('hex').slice(0, 8)
  return String(source).slice(root.length)
}

const shaOf = (bytes: Uint8Array) => shown(new Uint8Array(bytes))

type Line = {
  item_id: string
  prompt_id: string
  text: string | null
  answer?: unknown
  usage: unknown
  error: { code: string; message: string } | null
}

async function run(options: Partial<LabelOptions>, onEvent?: (event: LabelEvent) => void) {
  const out = options.out ?? newPath('out.jsonl')
  const whole: LabelOptions = {
    input: root,
    prompts: ['what?'],
    engines: [{ model: echo(), name: 'echo' }],
    ...options,
    out,
  }
  const report = await label(whole, onEvent && { onEvent })
  return { report, out, lines: out.endsWith('.jsonl') ? linesOf(out) : [] }
}

const linesOf = (out: string) =>
  readFileSync(out, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)

const withoutModes = process.platform === 'win32' && 'files have no modes there'

/** Root reads everything: it becomes nobody for a while. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  chmodSync(root, 0o777)
  const isRoot = process.getuid?.() === 0
  if (isRoot) process.seteuid?.(65534)
  try {
    await work()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

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

describe('servers', () => {
  const input = folderOf(Array.from({ length: 24 }, (_, i) => `${i}.png`))
  type Body = { messages: { content: { type: string; image_url: { url: string } }[] }[] }

  async function withServer(
    answer: (body: Body, url: string) => object | number,
    use: (url: string) => Promise<void>,
  ) {
    const server: Server = createServer(async (request, response) => {
      const text = (await buffer(request)).toString()
      const reply = answer(
        text === '' ? (null as unknown as Body) : (JSON.parse(text) as Body),
        request.url!,
      )
      if (typeof reply === 'number') response.writeHead(reply).end('{}')
      else response.end(JSON.stringify(reply))
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }
  const MODELS = { data: [{ id: 'm' }] }
  const WELL = { choices: [{ message: { content: 'well' }, finish_reason: 'stop' }] }

  test('are asked while a large input is listed', async () => {
    // They answered at once, and were listened to once in hundreds of rows.
    const rows = newPath('rows.jsonl')
    writeFileSync(rows, Array.from({ length: 5000 }, (_, i) => `{"text":"${i}"}\n`).join(''))
    const stop = new AbortController()
    let done = 0
    const onEvent = (event: LabelEvent) => {
      if (event.type !== 'progress' || stop.signal.aborted) return
      done = event.done
      if (event.isListed) stop.abort()
    }
    await withServer(
      (_, path) => (path === '/v1/models' ? MODELS : WELL),
      async (url) => {
        const asked = { input: rows, prompts: ['?'], engines: [{ url, batch: 4 }] }
        const labelling = label(
          { ...asked, out: newPath('rows-out.jsonl') },
          { onEvent, signal: stop.signal },
        )
        await assert.rejects(labelling, { name: 'AbortError' })
      },
    )
    assert.ok(done >= 16, `${done} were done when all were listed`)
  })

  test('share the work with a model here, and one that goes is left out', async () => {
    let calls = 0
    const bodies: Body[] = []
    await withServer(
      (body, path) => {
        if (path === '/v1/models') return MODELS
        bodies.push(body)
        return ++calls > 6 ? 500 : WELL
      },
      async (url) => {
        const events: LabelEvent[] = []
        const slow = echo([], () => new Promise((done) => setTimeout(done, 20)))
        const engines = [
          { url, attempts: 1, batch: 1 },
          { model: slow, name: 'here', batch: 1 },
        ]
        const { report, lines } = await run({ input, engines }, (event) => events.push(event))
        assert.deepEqual([report.items, report.failed, lines.length], [24, 0, 24])
        const [server, here] = report.engines
        assert.deepEqual([server!.items, server!.items + here!.items], [6, 24])
        assert.ok(events.some((event) => event.type === 'engine-lost' && event.engine === url))
        assert.match(bodies[0]!.messages[0]!.content[0]!.image_url.url, /^data:image\/png;base64,/)
      },
    )
  })

  test(
    'get clips of frames; one with a frame that may not be read is an error',
    { skip: withoutModes },
    async () => {
      const clips = folderOf(['x/1.png', 'x/2.png', 'y/1.png'])
      chmodSync(join(clips, 'x/2.png'), 0)
      await withServer(
        (_, path) => (path === '/v1/models' ? { data: [{ id: 'm', owned_by: 'vllm' }] } : WELL),
        (url) =>
          asNobody(async () => {
            const { lines } = await run({ input: clips, clipFolders: true, engines: [{ url }] })
            assert.deepEqual(
              lines.map(({ item_id, error }) => [item_id, error?.code]),
              [
                ['x', 'INPUT_LABEL_MEDIA'],
                ['y', undefined],
              ],
            )
          }),
      )
    },
  )

  test(
    'get no frames of a clip with a pipe in it: it is an error, and nobody waits for it',
    { skip: process.platform === 'win32', timeout: 30_000 },
    async () => {
      // Reading it waited for whoever would write into it, and no signal ended the run.
      const clips = folderOf(['x/1.png', 'y/1.png'])
      execFileSync('mkfifo', [join(clips, 'x/2.png')])
      await withServer(
        (_, path) => (path === '/v1/models' ? MODELS : WELL),
        async (url) => {
          const { lines } = await run({ input: clips, clipFolders: true, engines: [{ url }] })
          assert.deepEqual(
            lines.map(({ error }) => error?.code),
            ['INPUT_LABEL_MEDIA', undefined],
          )
        },
      )
    },
  )

  test('that are all gone stop the run, which goes on when they are back', async () => {
    let isDown = false
    await withServer(
      (_, path) => (path === '/v1/models' ? MODELS : isDown ? 503 : WELL),
      async (url) => {
        const out = newPath('out.jsonl')
        const options = { input, out, engines: [{ url, attempts: 1, batch: 2 }] }
        isDown = true
        await assert.rejects(run(options), (error: Error) => {
          assert.ok(error instanceof CapacityError && error.code === 'CAPACITY_LABEL_ENGINES')
          return true
        })
        isDown = false
        const { report } = await run(options)
        assert.deepEqual([report.items, report.failed], [24, 0])
      },
    )
  })

  test('that fail over one item only are well, and the item is to blame', async () => {
    const poison = readFileSync(join(input, '3.png')).toString('base64')
    await withServer(
      (body, path) => {
        if (path === '/v1/models') return MODELS
        return JSON.stringify(body).includes(poison) ? 500 : WELL
      },
      async (url) => {
        const engines = [{ url, attempts: 1, batch: 2 }]
        const { report, lines } = await run({ input, engines, maxErrors: 1 })
        assert.equal(report.failed, 1)
        const [bad] = lines.filter(({ error }) => error !== null)
        assert.deepEqual([bad!.item_id, bad!.error!.code], ['3.png', 'CAPACITY_ENDPOINT'])
      },
    )
  })

  test('that are not there when the run begins are left out, unless there is no other', async () => {
    const gone = 'http://127.0.0.1:9/v1'
    await withServer(
      (_, path) => (path === '/v1/models' ? MODELS : WELL),
      async (url) => {
        const events: LabelEvent[] = []
        const engines = [gone, url].map((one) => ({ url: one, attempts: 1 }))
        const { report } = await run({ input, engines }, (event) => events.push(event))
        assert.deepEqual(
          report.engines.map(({ engine, items }) => [engine, items]),
          [[url, 24]],
        )
        assert.ok(events.some((event) => event.type === 'engine-lost' && event.engine === gone))
      },
    )
    await assert.rejects(run({ input, engines: [{ url: gone, attempts: 1 }] }), {
      code: 'CAPACITY_ENDPOINT',
    })
  })

  for (const refused of [401, 403, 404]) {
    test(`that refuse everybody with ${refused} are at fault, and not what they are asked`, async () => {
      await withServer(
        (_, path) => (path === '/v1/models' ? MODELS : refused),
        async (url) => {
          const slow = echo([], () => new Promise((done) => setTimeout(done, 5)))
          const engines = [
            { url, batch: 2 },
            { model: slow, name: 'm', batch: 1 },
          ]
          const { report } = await run({ input, engines })
          assert.deepEqual([report.items, report.failed], [24, 0])
          await assert.rejects(run({ input, engines: [{ url }] }), {
            code: 'CAPACITY_LABEL_ENGINES',
          })
        },
      )
    })
  }

  test('with several models want one to be named', async () => {
    await withServer(
      () => ({ data: [{ id: 'a' }, { id: 'b' }] }),
      async (url) => {
        await assert.rejects(run({ input, engines: [{ url }] }), /it has a, b; say which/)
      },
    )
  })
})
