/** `llava data ACTION DATA`: what is in a data set, one of its records as training sees it, a part of it, a new one. */
import { nearestName } from '../weights/nearest-name.ts'
import type { Arguments } from './arguments.ts'
import type { DataAction } from './data-action.ts'
import { dataBuild } from './data-build.ts'
import { dataBuildBench } from './data-build-bench.ts'
import { dataCheck } from './data-check.ts'
import { dataMix } from './data-mix.ts'
import { dataShow } from './data-show.ts'
import { UsageError } from './usage-error.ts'
import type { Verb } from './verb.ts'

const ACTIONS: readonly DataAction[] = [dataCheck, dataShow, dataMix, dataBuild, dataBuildBench]

export const data: Verb = {
  options: ACTIONS.flatMap(({ name, place, about, options }) =>
    options.map((option) => ({ ...option, group: `data ${name} ${place}: ${about}` })),
  ),
  examples: ACTIONS.flatMap(({ examples }) => examples),
  async run(args, session) {
    const action = actionOf(args)
    refuseOthers(action, args)
    await action.run(args, session)
  },
}

function actionOf(args: Arguments): DataAction {
  const name = args.positionals[0] as string
  const found = ACTIONS.find((action) => action.name === name)
  if (found) {
    if (args.positionals[1] !== undefined) return found
    throw new UsageError(`llava data ${name}: ${found.place} is missing.`)
  }
  const names = ACTIONS.map((action) => action.name)
  const near = nearestName(name, names)
  const advice = near === undefined ? '' : ` Did you mean ${near}?`
  throw new UsageError(`llava data: expected ${names.join(', ')}, "${name}" came.${advice}`)
}

/** Options of another action mean nothing here. */
function refuseOthers({ name, options }: DataAction, args: Arguments): void {
  const own = new Set(options.map((option) => option.name))
  const strays = new Set(
    ACTIONS.flatMap((action) => action.options.map((option) => option.name)).filter(
      (option) => !own.has(option) && args.has(option),
    ),
  )
  if (strays.size === 0) return
  const shown = [...strays].map((option) => `--${option}`).join(', ')
  throw new UsageError(`llava data ${name} takes no ${shown}.`)
}
