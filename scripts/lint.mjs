import { run, npmBin } from "./run.mjs";

const WASM = ["--target", "wasm32-unknown-unknown"];

/**
 * Each a name, a command, its arguments, and what it adds to the environment. Those of TypeScript
 * need pkg/ and dist/ as `npm run build` makes them.
 *
 * @type {[string, string, string[], Record<string, string>?][]}
 */
const checks = [
  ["rustfmt", "cargo", ["fmt", "--check"]],
  ["clippy", "cargo", ["clippy", "--all-targets", "--features", "sim", "--", "-D", "warnings"]],
  [
    "clippy, wasm32",
    "cargo",
    ["clippy", ...WASM, "--lib", "--test", "browser", "--", "-D", "warnings"],
  ],
  ["rustdoc", "cargo", ["doc", "--no-deps", "--features", "sim"], { RUSTDOCFLAGS: "-D warnings" }],
  ["types of js/", npmBin("tsc"), ["-p", "js", "--noEmit"]],
  ["types of www/", npmBin("tsc"), ["-p", "www"]],
  ["types of scripts and tests", npmBin("tsc"), ["-p", "."]],
  ["ESLint", npmBin("eslint"), ["--max-warnings", "0", "."]],
  ["arrows of js/ and www/", npmBin("depcruise"), ["js", "www"]],
  ["Prettier", npmBin("prettier"), ["--check", "--log-level", "warn", "."]],
];

/**
 * Runs every check, even after one has failed.
 *
 * @returns {Promise<{ passed: number, failed: number }>} the count of checks
 */
export async function lint() {
  const failed = [];
  for (const [name, command, args, env] of checks) {
    const { code } = await run(command, args, { env: env ?? {} });
    console.log(`${code === 0 ? "ok" : "FAILED"}: ${name}`);
    if (code !== 0) failed.push(name);
  }
  return { passed: checks.length - failed.length, failed: failed.length };
}

if (process.argv[1] === import.meta.filename) {
  const { failed } = await lint();
  process.exitCode = failed === 0 ? 0 : 1;
}
