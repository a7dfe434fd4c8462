/** Whether a name below a folder, parted by slashes, is of what macOS leaves in archives beside each file, or editors hide: no data. */
export function isHiddenName(name: string): boolean {
  return name.split('/').some((part) => part.startsWith('.') || part === '__MACOSX')
}
