/** What is installed is what was looked at, and nothing runs while it is installed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

type Locked = {
  readonly resolved?: string
  readonly integrity?: string
  readonly link?: boolean
  readonly hasInstallScript?: boolean
  readonly dev?: boolean
}

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  readonly packages: Readonly<Record<string, Locked>>
}
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly allowScripts: Readonly<Record<string, boolean>>
}

test('every package is locked by a hash, and none runs a script when it is installed', () => {
  const packages = Object.entries(lock.packages).filter(([path]) => path !== '')
  assert.ok(packages.length > 50)
  for (const [path, { resolved = '', integrity = '', hasInstallScript }] of packages) {
    assert.match(integrity, /^sha512-/, path)
    // Where npm leaves the address out, it is the registry's.
    if (resolved !== '') assert.match(resolved, /^https:\/\/registry\.npmjs\.org\//, path)
    if (!hasInstallScript) continue
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    assert.equal(manifest.allowScripts[name], false, `${name} wants to run when it is installed`)
  }
})

test('what users install is of one version each, and runs nothing of ours', () => {
  for (const [name, version] of Object.entries(manifest.dependencies)) {
    assert.match(version, /^\d/, name)
  }
  for (const name of ['preinstall', 'install', 'postinstall']) {
    assert.equal(manifest.scripts[name], undefined)
  }
})
