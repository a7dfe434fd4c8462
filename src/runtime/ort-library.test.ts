import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { carriedFile, checkLibraryVersion, libraryFile } from './ort-library.ts'

test('the library of every platform lies where the table says', () => {
  const require = createRequire(import.meta.url)
  const folder = dirname(require.resolve('onnxruntime-node/package.json'))
  const platforms = [
    ['linux', 'x64'],
    ['linux', 'arm64'],
    ['darwin', 'arm64'],
    ['win32', 'x64'],
    ['win32', 'arm64'],
  ] as const
  for (const [platform, arch] of platforms) {
    assert.ok(existsSync(join(folder, libraryFile(platform, arch))), `${platform}-${arch}`)
  }
})

test('a published package has a folder for each platform', () => {
  assert.equal(carriedFile('linux', 'x64'), 'native/linux-x64/libonnxruntime.so.1')
  assert.equal(carriedFile('win32', 'arm64'), 'native/win32-arm64/onnxruntime.dll')
})

test('a platform without a library is refused with those that have one', () => {
  assert.throws(() => libraryFile('freebsd', 'x64'), {
    code: 'CONFIG_RUNTIME_PLATFORM',
    message: /linux-x64.*freebsd-x64/,
  })
})

test('only the checked release is accepted', () => {
  checkLibraryVersion('1.30.1')
  for (const version of ['1.3.0', '1.31.0', '1.300.0', '']) {
    assert.throws(() => checkLibraryVersion(version), { code: 'CONFIG_RUNTIME_VERSION' })
  }
})
