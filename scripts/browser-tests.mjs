import { delimiter } from "node:path";
import { mustRun, run } from "./run.mjs";
import { geckodriver, wasmBindgen, which } from "./tools.mjs";

/**
 * The engines, each with the variable that tells wasm-bindgen-test-runner which driver to start.
 *
 * @type {Record<string, () => Record<string, string>>}
 */
export const engines = {
  chromium: () => ({ CHROMEDRIVER: which("chromedriver") ?? "chromedriver" }),
  firefox: () => ({ GECKODRIVER: geckodriver().command }),
  // The runner's only notion of WebKit is Safari; WebKitGTK's driver speaks the same protocol.
  webkit: () => ({ SAFARIDRIVER: which("WebKitWebDriver") ?? "WebKitWebDriver" }),
};

/** Compiles the browser tests, so that no engine waits for the compiler. */
export async function compileBrowserTests() {
  await mustRun("cargo", [...cargoTest, "--no-run"]);
}

/**
 * Runs the Rust browser tests in one engine.
 *
 * @param {string} engine a key of {@link engines}
 */
export async function browserTests(engine) {
  const driver = engines[engine];
  if (!driver) throw new Error(`no engine ${engine}: ${Object.keys(engines).join(", ")}`);
  const env = {
    ...driver(),
    PATH: [wasmBindgen().bin, process.env.PATH].join(delimiter),
    // Seconds; the default ends the longest tests.
    WASM_BINDGEN_TEST_TIMEOUT: "300",
  };
  // WebKitGTK has no headless mode of its own.
  const command = engine === "webkit" ? ["xvfb-run", "-a", "cargo"] : ["cargo"];
  const [first = "cargo", ...args] = [...command, ...cargoTest];
  return await run(first, args, { env });
}

const cargoTest = ["test", "--target", "wasm32-unknown-unknown", "--test", "browser"];

if (process.argv[1] === import.meta.filename) {
  await compileBrowserTests();
  const chosen = process.argv.slice(2);
  for (const engine of chosen.length === 0 ? Object.keys(engines) : chosen) {
    const { code } = await browserTests(engine);
    if (code !== 0) process.exitCode = 1;
  }
}
