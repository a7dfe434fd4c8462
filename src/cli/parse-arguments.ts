/**
 * A command line to verb and arguments, by cac; and the help texts, in groups.
 *
 * cac reads values as numbers where it can (`--stop 007` is 7, `--stop ""` is 0) and takes a value that begins with a
 * dash for an option. So every value reaches it joined to its option and with a quote in front, which is taken off
 * afterwards; what is no option of the verb never reaches it.
 */
import { cac, type CAC, type Command } from 'cac'
import { nearestName } from '../weights/nearest-name.ts'
import { Arguments } from './arguments.ts'
import { UsageError } from './usage-error.ts'
import { COMMON_OPTIONS, type OptionSpec, type Verb, type VerbEntry } from './verb.ts'

/** What the command line asks for; null when help or the version was printed instead. */
export type Parsed = { readonly verb: Verb; readonly args: Arguments } | null

/** Throws UsageError for an unknown verb or option, a missing or superfluous value, too many or too few arguments. */
export async function parseArguments(
  argv: readonly string[],
  verbs: readonly VerbEntry[],
  version: string,
): Promise<Parsed> {
  const [first, ...rest] = argv
  if (first === undefined || first.startsWith('-')) return parseGlobal(first, verbs, version)
  const entry = verbs.find(({ name }) => name === first)
  if (!entry) throw unknownVerb(first, verbs)
  const verb = await entry.load()
  const specs = [...verb.options, ...COMMON_OPTIONS]
  const program = describeVerb(entry, verb, version)
  const quoted = quoteValues(rest, specs)
  const { options } = program.parse(['node', 'llava', entry.name, ...quoted], { run: false })
  if (options['help'] === true) return null
  checkPositionals(program)
  const positionals = program.args.map(unquote)
  const values = new Map(specs.map((spec) => [spec.name, valuesOf(spec, options)]))
  return { verb, args: new Arguments(specs, values, positionals) }
}

function parseGlobal(
  first: string | undefined,
  verbs: readonly VerbEntry[],
  version: string,
): null {
  const known = ['-h', '--help', '-v', '--version']
  if (first !== undefined && !known.includes(first)) {
    throw new UsageError(
      `the verb comes first, ${first} came; verbs are ${namesOf(verbs)}. Try llava --help.`,
    )
  }
  if (first === '-v' || first === '--version') {
    console.info(version)
    return null
  }
  const program = cac('llava')
  for (const entry of verbs) addCommand(program, entry)
  program.help().version(version)
  program.parse(['node', 'llava', '--help'], { run: false })
  return null
}

function unknownVerb(name: string, verbs: readonly VerbEntry[]): UsageError {
  const near = nearestName(
    name,
    verbs.map((verb) => verb.name),
  )
  const advice = near === undefined ? '' : ` Did you mean ${near}?`
  return new UsageError(`unknown verb "${name}"; there are ${namesOf(verbs)}.${advice}`)
}

function namesOf(verbs: readonly VerbEntry[]): string {
  return verbs.map(({ name }) => name).join(', ')
}

function addCommand(program: CAC, { name, places, about }: VerbEntry): Command {
  return program.command(`${name} ${places}`.trim(), about)
}

/** The program with one verb, whose options help shows in groups. */
function describeVerb(entry: VerbEntry, verb: Verb, version: string): CAC {
  const program = cac('llava')
  const command = addCommand(program, entry)
  for (const spec of [...verb.options, ...COMMON_OPTIONS]) command.option(flagsOf(spec), spec.about)
  for (const example of verb.examples) command.example(`  $ llava ${example}`)
  program.help((sections) => {
    const index = sections.findIndex(({ title }) => title === 'Options')
    if (index >= 0) sections.splice(index, 1, ...optionSections(verb))
  })
  return program.version(version)
}

function optionSections(verb: Verb): { title: string; body: string }[] {
  const help: OptionSpec = { name: 'help', short: 'h', kind: 'flag', about: 'Show this help' }
  const groups = new Map<string, OptionSpec[]>()
  const shown = verb.options.filter(({ instead }) => instead === undefined)
  for (const spec of [...shown, ...COMMON_OPTIONS, help]) {
    const group = spec.group ?? 'Options'
    groups.set(group, [...(groups.get(group) ?? []), spec])
  }
  return [...groups].map(([title, specs]) => {
    const width = Math.max(...specs.map((spec) => flagsOf(spec).length))
    const lines = specs.map((spec) => `  ${flagsOf(spec).padEnd(width)}  ${spec.about}`)
    return { title, body: lines.join('\n') }
  })
}

function flagsOf({ name, short, kind, value, choices }: OptionSpec): string {
  const flags = `${short === undefined ? '' : `-${short}, `}--${name}`
  return kind === 'flag' ? flags : `${flags} <${value ?? choices?.join('|') ?? 'value'}>`
}

const QUOTE = "'"
const LOOKS_LIKE_OPTION = /^--?[a-zA-Z]/

/** The arguments with every value and positional quoted, and options under their long names. */
function quoteValues(argv: readonly string[], specs: readonly OptionSpec[]): string[] {
  const quoted: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] as string
    if (argument === '--') return [...quoted, ...argv.slice(i + 1).map((text) => QUOTE + text)]
    if (!LOOKS_LIKE_OPTION.test(argument)) {
      quoted.push(QUOTE + argument)
      continue
    }
    if (argument === '-h' || argument === '--help') return ['--help']
    const [, flag = '', , inline] = /^(--?[^=]+)(=(.*))?$/s.exec(argument) ?? []
    const spec = specOf(flag, specs)
    const next = inline ?? (spec.kind === 'flag' ? undefined : argv[++i])
    quoted.push(quoteOption(spec, next, inline !== undefined))
  }
  return quoted
}

function specOf(flag: string, specs: readonly OptionSpec[]): OptionSpec {
  const spec = specs.find(({ name, short }) => flag === `--${name}` || flag === `-${short}`)
  if (spec?.instead !== undefined)
    throw new UsageError(`${flag} does nothing here: ${spec.instead}`)
  if (spec) return spec
  const near = nearestName(
    flag,
    specs.map(({ name }) => `--${name}`),
  )
  const advice = near === undefined ? '' : `; did you mean ${near}?`
  throw new UsageError(`unknown option ${flag}${advice}`)
}

function quoteOption(spec: OptionSpec, value: string | undefined, isInline: boolean): string {
  if (spec.kind === 'flag') {
    if (value !== undefined) throw new UsageError(`--${spec.name} takes no value; "${value}" came.`)
    // With its value, since cac takes the next argument for one of a flag with a dash in its name; of `--no-x` it does not.
    return isNegated(spec) ? `--${spec.name}` : `--${spec.name}=true`
  }
  if (value === undefined || (!isInline && LOOKS_LIKE_OPTION.test(value))) {
    throw new UsageError(
      `${flagsOf(spec)}: the value is missing; one that begins with a dash is written --${spec.name}=VALUE.`,
    )
  }
  return `--${spec.name}=${QUOTE}${value}`
}

function unquote(text: string): string {
  return text.slice(QUOTE.length)
}

/** cac throws an error of its own for a missing argument or one too many. */
function checkPositionals(program: CAC): void {
  const command = program.matchedCommand
  if (!command) throw new Error('internal: cac did not match the verb')
  const required = command.args.filter((arg) => arg.required)
  if (program.args.length < required.length) {
    throw new UsageError(
      `llava ${command.rawName}: ${required[program.args.length]?.value} is missing.`,
    )
  }
  const most = command.args.some((arg) => arg.variadic) ? Infinity : command.args.length
  if (program.args.length > most) {
    const extra = program.args.slice(most).map(unquote).join(' ')
    throw new UsageError(
      `llava ${command.rawName}: "${extra}" is one argument too many; put texts with spaces in quotes.`,
    )
  }
}

function valuesOf(spec: OptionSpec, options: Readonly<Record<string, unknown>>): string[] {
  if (isNegated(spec)) return options[keyOf(spec.name.slice(NO.length))] === false ? ['true'] : []
  const value = options[keyOf(spec.name)]
  if (value === undefined) return []
  if (spec.kind === 'flag') return ['true']
  return [value].flat().map((one) => unquote(String(one)))
}

/** cac names an option in camelCase. */
function keyOf(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

const NO = 'no-'

/** cac sets `x` to false where `--no-x` is given, and to true where it is not. */
function isNegated({ name, kind }: OptionSpec): boolean {
  return kind === 'flag' && name.startsWith(NO)
}
