/** A language for programs over the model. */
export { program, type Program, type RunOptions } from './program.ts'
export {
  assistant,
  gen,
  image,
  select,
  system,
  user,
  video,
  type GenOptions,
  type GenPiece,
  type Piece,
  type SelectOptions,
  type SelectPiece,
  type Turn,
} from './pieces.ts'
export { Branches, fork } from './fork.ts'
export { ProgramState, type Step, type Value } from './program-state.ts'
export type { ProgramEvent } from './program-run.ts'
export type { ChoiceMethod } from './choose-option.ts'
export type { EngineSource, ProgramEngine, Selected, SelectRequest } from './program-engine.ts'
export type { RemoteAddress } from './remote-server.ts'
