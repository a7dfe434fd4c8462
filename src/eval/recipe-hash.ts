/** Hashes that say whether two scores were made from the same things. */
import type { EvalFile } from './eval-file.ts'

/** SHA-256 of the contents in order, without the names: a renamed file is the same file. */
export async function hashFiles(files: readonly EvalFile[]): Promise<string> {
  const hashes = await Promise.all(files.map(hashFile))
  return files.length === 1 ? (hashes[0] ?? '') : hashText(hashes.join('\n'))
}

async function hashFile({ text, cells, sha256, madeFrom }: EvalFile): Promise<string> {
  if (madeFrom) return hashFiles(madeFrom)
  return sha256 ?? hashText(cells ? JSON.stringify(cells) : text)
}

/** SHA-256 in hexadecimal, through Web Crypto: the same in a browser. */
export async function hashText(text: string): Promise<string> {
  return hashBytes(new TextEncoder().encode(text))
}

export async function hashBytes(bytes: Uint8Array): Promise<string> {
  // A copy: Web Crypto wants a buffer that is not shared.
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
