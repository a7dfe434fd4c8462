import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import type { ContentPart } from '../messages.ts'
import { wireMessages } from './chat-wire.ts'

const FILES: Readonly<Record<string, Uint8Array>> = {
  passwd: new TextEncoder().encode('root:x:0:0:root:/root:/bin/bash\n'),
  'note.txt': new TextEncoder().encode('Good morning'),
  'film.ts': Uint8Array.from({ length: 400 }, (_, i) => (i % 188 === 0 ? 0x47 : 0)),
  'film.avi': new TextEncoder().encode('RIFF....AVI LIST'),
  'film.mp4': new TextEncoder().encode('\0\0\0 ftypisom'),
  'dot.gif': Buffer.from(
    '474946383961010001008000000000000000002c0000000001000100000202440100',
    'hex',
  ),
}
const BLACK = { create: { width: 8, height: 8, channels: 3, background: 'black' } } as const
const sent = async (part: ContentPart) =>
  JSON.stringify(
    await wireMessages([{ role: 'user', content: [part] }], async (path) => FILES[path]!),
  )

test('files go out as data of their own kind', async () => {
  const avif = Buffer.from(await sharp(BLACK).avif().toBuffer())
  assert.match(
    await sent({ type: 'image', image: new Uint8Array(avif) }),
    /data:image\/avif;base64,/,
  )
  assert.match(await sent({ type: 'image', image: 'dot.gif' }), /data:image\/gif;base64,/)
  assert.match(await sent({ type: 'video', video: 'film.mp4' }), /data:video\/mp4;base64,/)
  assert.match(await sent({ type: 'video', video: 'film.ts' }), /data:video\/mp4;base64,/)
  assert.match(await sent({ type: 'video', video: 'film.avi' }), /data:video\/x-msvideo;base64,/)
})

test('what is neither a picture nor a clip does not leave the machine', async () => {
  await assert.rejects(sent({ type: 'image', image: 'passwd' }), { code: 'INPUT_IMAGE_UNREADABLE' })
  for (const video of ['passwd', 'note.txt']) {
    await assert.rejects(sent({ type: 'video', video }), { code: 'INPUT_ENDPOINT_PART' })
  }
})
