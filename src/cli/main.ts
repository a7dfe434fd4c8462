#!/usr/bin/env node
/** The program `llava`. */
import { run } from './run.ts'

process.exitCode = await run(process.argv.slice(2), process)
