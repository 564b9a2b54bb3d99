import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { root } from "./run.mjs";

// Built tools live outside the checkout, one folder per version, so that a fresh clone finds them.
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "tablog");

/**
 * A tool that `cargo install` builds.
 *
 * @typedef {object} CargoTool
 * @property {string} crate
 * @property {string} version
 * @property {string} root where it is installed
 * @property {string[]} flags for `cargo install`
 * @property {string} bin the folder of its commands
 * @property {string} command its main command
 */

/** @returns {CargoTool} The `wasm-bindgen` command; it must equal the crate's version exactly. */
export function wasmBindgen() {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  const version = /name = "wasm-bindgen"\nversion = "([^"]+)"/.exec(lock)?.[1];
  if (!version) throw new Error("Cargo.lock has no wasm-bindgen");
  return cargoTool("wasm-bindgen-cli", version, "wasm-bindgen", []);
}

/** @returns {CargoTool} Firefox's WebDriver, which Debian does not package. */
export function geckodriver() {
  // An optimised build takes three times as long and drives the browser no faster.
  return cargoTool("geckodriver", "0.37.1", "geckodriver", ["--debug"]);
}

/** @returns {CargoTool} */
export function cargoFuzz() {
  return cargoTool("cargo-fuzz", "0.13.2", "cargo-fuzz", []);
}

/**
 * @param {string} crate
 * @param {string} version
 * @param {string} command
 * @param {string[]} flags
 * @returns {CargoTool}
 */
function cargoTool(crate, version, command, flags) {
  const folder = join(cache, `${crate}-${version}`);
  const bin = join(folder, "bin");
  return { crate, version, root: folder, flags, bin, command: join(bin, command) };
}

/**
 * @param {string} command
 * @returns {string | undefined} where on the PATH the command is
 */
export function which(command) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, command))
    .find((path) => existsSync(path) && executable(path));
}

/** @param {string} path */
function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The test browsers and their drivers: a Debian package each, and a command that shows whether it
 * is installed.
 */
export const debianPackages = {
  chromium: "chromium",
  "chromium-driver": "chromedriver",
  "firefox-esr": "firefox-esr",
  "webkit2gtk-driver": "WebKitWebDriver",
  xvfb: "xvfb-run",
  xauth: "xauth",
};
