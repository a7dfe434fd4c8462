/** Where ONNX Runtime's shared library lies, per platform, and which versions are known. */
import { ConfigError } from '../core/errors.ts'

/** Paths relative to the folder of the `onnxruntime-node` package, which ships no other platform. */
export const LIBRARIES: Readonly<Record<string, string>> = {
  'linux-x64': 'bin/napi-v6/linux/x64/libonnxruntime.so.1',
  'linux-arm64': 'bin/napi-v6/linux/arm64/libonnxruntime.so.1',
  'darwin-arm64': 'bin/napi-v6/darwin/arm64/libonnxruntime.1.dylib',
  'win32-x64': 'bin/napi-v6/win32/x64/onnxruntime.dll',
  'win32-arm64': 'bin/napi-v6/win32/arm64/onnxruntime.dll',
}

/** The library's path inside the package. Throws ConfigError on a platform that the package does not serve. */
export function libraryFile(platform: string, arch: string): string {
  const file = LIBRARIES[`${platform}-${arch}`]
  if (file !== undefined) return file
  throw new ConfigError(
    'CONFIG_RUNTIME_PLATFORM',
    `runtime: ONNX Runtime has libraries for ${Object.keys(LIBRARIES).join(', ')}, this is ${platform}-${arch}; run llava-ts on one of those.`,
  )
}

/** Where a published llava-ts carries its own copy, relative to the root of the built files. */
export function carriedFile(platform: string, arch: string): string {
  const name = libraryFile(platform, arch).split('/').at(-1) as string
  return `native/${platform}-${arch}/${name}`
}

/**
 * Refuses a library whose behaviour nobody checked. The table of functions would still fit a later release; what
 * changes between releases is which operators exist and what they compute.
 */
export function checkLibraryVersion(version: string): void {
  if (version.startsWith('1.30.')) return
  throw new ConfigError(
    'CONFIG_RUNTIME_VERSION',
    `runtime: ONNX Runtime 1.30.x is expected, the library is ${version}; install llava-ts anew, or onnxruntime-node 1.30.0 where it is built from source.`,
  )
}
