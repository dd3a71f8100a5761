// @ts-check
/**
 * Lint: typescript-eslint's strictest type-checked sets, plus the few house rules a machine can hold. What is relaxed below is relaxed
 * for a reason that is stated; everything else in the sets stands. Layout is prettier's alone, import direction is held by
 * `fixtures/house.test.ts` (which sees cycles and whole folders, as a lint of one file cannot).
 */
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores(['dist/', 'build/', 'node_modules/', 'coverage/', '**/.cache/', '**/.venv/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // Names of types say what they hold: imports used as types are marked, as `verbatimModuleSyntax` needs them to be.
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
      ],
      eqeqeq: ['error', 'always'],
      'no-var': 'error',
      'prefer-const': 'error',
      'object-shorthand': 'error',
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Export by name: file name = export.' },
      ],

      // `noUncheckedIndexedAccess` types every `array[i]` as possibly absent; a loop that has just bounded `i` says so with `!`.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Numbers, booleans and bigints print the same everywhere; objects, arrays and `undefined` in a template stay errors.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/restrict-plus-operands': ['error', { allowNumberAndString: true }],
      // Index arithmetic over several tensors at once is what a kernel is; `for (let i ...)` stays the plain way to write it.
      '@typescript-eslint/prefer-for-of': 'off',
      // `type` and `interface` both have their place: unions and mapped types here, nominal shapes there.
      '@typescript-eslint/consistent-type-definitions': 'off',
      // `while (true)` with a `return` inside reads better than a flag.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      // A leading underscore says "present because the signature is shared".
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // `() => stream.write(x)` is a fine callback.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Adapters to an interface that is asynchronous (an executor, a device) may have nothing to await.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    // A test may reach into untyped JSON and build deliberately broken input.
    files: ['**/*.test.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      'no-console': 'off',
    },
  },
  {
    // Commands talk to a person; the compiler's libraries return data instead. Programs that are run by hand also print.
    files: ['compiler/cli/**/*.ts', 'fixtures/**/*.ts', 'bench/**/*.ts', 'docs/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/*.js'],
    extends: [tseslint.configs.recommended],
  },
  {
    files: ['*.config.js'],
    rules: { 'no-restricted-syntax': 'off' },
  },
);
