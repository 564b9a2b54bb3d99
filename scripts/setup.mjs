// Installs what is missing, and is quick when nothing is. `--tests` adds what only tests need.
// It may import nothing from npm: it is what installs npm's packages.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { mustRun, root, run } from "./run.mjs";
import { debianPackages, geckodriver, wasmBindgen, which } from "./tools.mjs";

const TARGET = "wasm32-unknown-unknown";

/** Installs what `npm start` needs. */
export async function setupBuild() {
  await npmPackages();
  await rust();
  await cargoInstall(wasmBindgen());
}

/** Installs what `npm test` needs beyond {@link setupBuild}: browsers, drivers, lints. */
export async function setupTests() {
  await browsers();
  await cargoInstall(geckodriver());
  for (const [component, command] of /** @type {const} */ ([
    ["clippy", "clippy"],
    ["rustfmt", "fmt"],
  ])) {
    // rustup puts a `cargo-clippy` on the PATH even where the component is missing.
    const { code } = await run("cargo", [command, "--version"], { quiet: true });
    if (code !== 0) await mustRun("rustup", ["component", "add", component]);
  }
}

async function npmPackages() {
  const installed = join(root, "node_modules/.package-lock.json");
  const wanted = join(root, "package-lock.json");
  if (existsSync(installed) && statSync(wanted).mtimeMs <= statSync(installed).mtimeMs) return;
  await mustRun("npm", ["ci"]);
}

async function rust() {
  if (!which("cargo")) {
    throw new Error("Rust is missing: install it with rustup (https://rustup.rs)");
  }
  const libraries = await mustRun("rustc", ["--print", "target-libdir", "--target", TARGET], {
    quiet: true,
  });
  if (!existsSync(libraries.trim())) await mustRun("rustup", ["target", "add", TARGET]);
}

/**
 * Builds a tool unless it is there.
 *
 * @param {import("./tools.mjs").CargoTool} tool
 */
export async function cargoInstall(tool) {
  if (existsSync(tool.command)) return;
  // Not `--locked`: a lock file may name versions that a registry's mirror does not hold.
  const version = ["--version", `=${tool.version}`];
  const args = ["install", "--root", tool.root, ...tool.flags, ...version, tool.crate];
  await mustRun("cargo", args);
}

async function browsers() {
  const missing = Object.entries(debianPackages)
    .filter(([, command]) => !which(command))
    .map(([name]) => name);
  if (missing.length === 0) return;
  if (!which("apt-get") || process.getuid?.() !== 0) {
    const names = missing.join(" ");
    throw new Error(`tests need these (named as in Debian); install them: ${names}`);
  }
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await mustRun("apt-get", ["update"], { env });
  await mustRun("apt-get", ["install", "-y", "--no-install-recommends", ...missing], { env });
}

if (process.argv[1] === import.meta.filename) {
  await setupBuild();
  if (process.argv.includes("--tests")) await setupTests();
}
