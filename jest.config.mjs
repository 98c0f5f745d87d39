/** One Jest project over the whole workspace; packages resolve to their TypeScript source by the `source` export condition. */
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  testMatch: ['<rootDir>/{packages,machines,examples,test}/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  modulePathIgnorePatterns: ['/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } }],
  },
  // Which rows of the instruction tables are executed: see test/differential/directed.ts.
  setupFilesAfterEnv: process.env.MAINBOARD_ROWS ? ['<rootDir>/test/differential/executed-rows.setup.ts'] : [],
  reporters: ['<rootDir>/scripts/jest-reporter.mjs'],
};
