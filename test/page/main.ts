/**
 * The page in a real Chromium, on a real server: `npm run test:page -- [--model M] [--shots FOLDER] [--images FOLDER]`.
 *
 * Each step does something that people do and holds what they see against what it should be; with `--shots` it also takes a
 * picture of it, and `--images docs/images` makes those of the README. `--model` names a checkpoint whose answers make
 * sense; the one of the tests is small and random. `--only PATTERN` takes the first step and those whose names match it; some
 * need what earlier ones left behind.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { chromiumPath, openPage } from './browser.ts'
import type { Step, StepTools } from './parts.ts'
import { servePage } from './server.ts'
import { STEPS } from './steps.ts'

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'fixtures/inference/next-qwen' },
    shots: { type: 'string' },
    images: { type: 'string' },
    only: { type: 'string' },
  },
})

/** What the README shows, by the names of the steps' pictures. */
const IMAGES: Readonly<Record<string, string>> = { answer: 'page.webp', cut: 'page-cut.webp' }

process.exitCode = await main()

function chosenSteps(): readonly Step[] {
  const { only } = values
  return only === undefined
    ? STEPS
    : STEPS.filter(({ name }, i) => i === 0 || new RegExp(only).test(name))
}

async function main(): Promise<number> {
  const chromium = chromiumPath(process.env)
  const server = await servePage(values.model)
  const scale = values.images === undefined ? 1 : 2
  const opened = await openPage(server.url, { executablePath: chromium, scale })
  try {
    const { page, faults } = opened
    const tools: StepTools = { page, faults, url: server.url, shoot }
    for (const { name, run } of chosenSteps()) {
      const start = performance.now()
      await run(tools)
      if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
      process.stdout.write(`ok  ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)\n`)
    }
    return 0
  } catch (error) {
    process.stderr.write(`${(error as Error).stack ?? String(error)}\n`)
    // Where the browser itself is gone there is nothing to see.
    await shoot('failure').catch(() => {})
    return 1
  } finally {
    await opened.close()
    await server.close()
  }

  async function shoot(name: string): Promise<void> {
    const { shots, images } = values
    const image = IMAGES[name]
    const isWanted = shots !== undefined || (images !== undefined && image !== undefined)
    if (!isWanted) return
    const png = await opened.page.screenshot({ animations: 'disabled' })
    if (shots !== undefined) await save(shots, `${name}.png`, png)
    if (images !== undefined && image !== undefined) {
      await save(images, image, await sharp(png).webp({ quality: 82 }).toBuffer())
    }
  }
}

async function save(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, name), bytes)
}
