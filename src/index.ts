/** llava-ts: run the LLaVA family. Sub-paths: `llava-ts/text`, `/preprocess`, `/graph`, `/data`, `/train`, `/serve`, `/eval`, `/label`. */
export { loadModel, type LoadOptions, type LoadProgress } from './load-model.ts'
export type { Model, Prepared, Rows, Score, LogitPositions } from './model.ts'
export type { PrecisionOption, PrecisionName, ChosenPrecision } from './choose-precision.ts'
export type { ModelConfig, Layout, Quirks, VideoConfig } from './families/family.ts'
export type { GenerateRequest, PromptInput } from './serve/request.ts'
export type { ResponseFormat } from './serve/constrained/response-format.ts'
export type { GenerateOptions } from './serve/generate-options.ts'
export type { ContentPart, ImageSource, Message, VideoSource } from './serve/messages.ts'
export type { ToolCall, ToolDefinition } from './families/tool-messages.ts'
export type { ToolChoice } from './serve/tools/tool-use.ts'
export type { WrittenCall } from './serve/tools/call-parser.ts'
export type { Answer, FinishReason, Sequence, StreamEvent, Timings, Usage } from './serve/answer.ts'
export type { ServingCounters, ServingStats } from './serve/serving-stats.ts'
export {
  CapacityError,
  CheckpointError,
  ConfigError,
  InputError,
  LlavaError,
  ShapeError,
} from './core/errors.ts'
export {
  assistant,
  Branches,
  fork,
  gen,
  image,
  program,
  ProgramState,
  select,
  system,
  user,
  video,
} from './serve/program/index.ts'
export type {
  ChoiceMethod,
  EngineSource,
  GenOptions,
  GenPiece,
  Program,
  ProgramEngine,
  ProgramEvent,
  RemoteAddress,
  SelectPiece,
  Step,
  Turn,
  Value,
} from './serve/program/index.ts'
export type { ChoiceFields, ChoiceScore, ChoiceScores } from './serve/score-choices.ts'
