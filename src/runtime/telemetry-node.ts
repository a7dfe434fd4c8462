/**
 * ONNX Runtime's reports to its makers, refused before the library is loaded.
 *
 * From 1.30 on its libraries for Linux and macOS keep a session file and a log of each process in the folder for temporary
 * files, and send what they saw where they can. Source: microsoft/onnxruntime v1.30.0 core/platform/posix/telemetry.cc.
 */
import koffi from 'koffi'

const SWITCH = 'ORT_DISABLE_TELEMETRY'

/** On Windows there is no such switch; the environment's own is off in `ort-environment.ts`. */
export function refuseTelemetry(): void {
  if (process.platform === 'win32') return
  // Through the C library, since the `process.env` of a worker is a copy that no library sees.
  koffi.load(null).func('setenv', 'int', ['str', 'str', 'int'])(SWITCH, '1', 1)
}
