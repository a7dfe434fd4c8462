/** The files of the web page, read from the folder that its build wrote. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { ConfigError } from '../../core/errors.ts'
import type { PageFile } from './page.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** All files below `folder`; `index.html` is what `/` gives. Throws ConfigError where there is no page. */
export async function readPage(folder: string): Promise<PageFile[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  const files = await Promise.all(
    names.filter((name) => extname(name) in TYPES).map((name) => readFileOf(folder, name)),
  )
  if (files.some(({ path }) => path === '/')) return files
  throw new ConfigError(
    'CONFIG_PAGE',
    `page: expected the built web page in ${folder}, it is not there; run npm run build.`,
  )
}

async function readFileOf(folder: string, name: string): Promise<PageFile> {
  const bytes = await readFile(join(folder, name))
  const path = `/${name.split(sep).join('/')}`
  return {
    path: path === '/index.html' ? '/' : path,
    type: TYPES[extname(name)] as string,
    bytes,
    hash: createHash('sha256').update(bytes).digest('hex'),
  }
}
