/** The page of `llava serve`: everything it needs becomes a file of dist/web, so that it works without a network. */
export default {
  root: import.meta.dirname,
  // Nothing is copied as it is, and nothing of the environment gets in.
  publicDir: false,
  envDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    // The page's policy allows files of this server alone: no data: in place of one.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    // A busy machine is no fault of the build.
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  logLevel: 'warn',
}
