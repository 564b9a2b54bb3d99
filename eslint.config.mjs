// ESLint with typescript-eslint, since it knows types: a promise that nobody awaits is the usual
// bug of code like this. Prettier formats. Both are plain JavaScript, so `npm ci` works wherever
// Node does.
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  globalIgnores(["dist", "pkg", "target", "fuzz", "www/dist", "test-results", "tests/fixtures"]),
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ regex: "(^|/)(dist|pkg)/", message: "import the package by its name" }] },
      ],
      eqeqeq: "error",
      // Methods that programs take apart say so.
      "@typescript-eslint/no-invalid-void-type": ["error", { allowAsThisParameter: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // node:test's test() returns a promise that the runner itself awaits.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", name: ["test", "describe", "it", "suite"], package: "node:test" },
          ],
        },
      ],
    },
  },
  { files: ["js/**"], rules: { "max-lines": ["error", 450] } },
  {
    // A cast in JSDoc is invisible to these.
    files: ["**/*.mjs"],
    rules: { "@typescript-eslint/no-unsafe-assignment": "off" },
  },
  {
    // Apps as their authors would write them; what they import is not installed here.
    files: ["tests/packaging/apps/**"],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { "@typescript-eslint/no-require-imports": "off" },
  },
);
