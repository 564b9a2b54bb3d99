// Apps outside of the checkout that have the package from its tarball. Each is a folder of apps/
// and what all have in common; they share their dependencies, which cost a minute to install.
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, root } from "../../scripts/run.mjs";

const sources = join(root, "tests/packaging/apps");
const lock = readFileSync(join(sources, "package-lock.json"));
/** By checkout and dependencies, so that they are there for the next run. */
const key = createHash("sha256").update(root).update(lock).digest("hex").slice(0, 12);
export const apps = join(tmpdir(), `tablog-apps-${key}`);

/**
 * Makes the tarball that would be published.
 *
 * @param {string[]} [flags] of `npm pack`
 * @returns {Promise<{ tarball: string, files: string[] }>} its path, and what is in it
 */
export async function pack(flags = []) {
  mkdirSync(apps, { recursive: true });
  const args = ["pack", "--json", "--pack-destination", apps, ...flags];
  const printed = await mustRun("npm", args, { quiet: true });
  // The build, which `prepack` runs, prints before it.
  const json = printed.slice(printed.search(/^\[\n/m), printed.lastIndexOf("]") + 1);
  /** @type {{ filename: string, files: { path: string }[] }[]} */
  const [made] = JSON.parse(json);
  if (!made) throw new Error("npm pack made nothing");
  return { tarball: join(apps, made.filename), files: made.files.map(({ path }) => path) };
}

/** Installs the dependencies of all apps, and the package as last built. */
export async function install() {
  const { tarball } = await pack(["--ignore-scripts"]);
  if (!existsSync(join(apps, "node_modules/.package-lock.json"))) {
    for (const file of ["package.json", "package-lock.json"]) {
      copyFileSync(join(sources, file), join(apps, file));
    }
    await mustRun("npm", ["ci", "--no-audit", "--no-fund"], { cwd: apps, quiet: true });
  }
  const folder = join(apps, "node_modules/tablog");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  await mustRun("tar", ["-xzf", tarball, "-C", folder, "--strip-components", "1"]);
}

/**
 * @param {string} kind a folder of `apps/`, if it needs more than what is common
 * @returns {string} the new app's folder
 */
export function makeApp(kind) {
  const folder = join(apps, kind);
  rmSync(folder, { recursive: true, force: true });
  for (const part of ["common", kind]) {
    const from = join(sources, part);
    if (existsSync(from)) cpSync(from, folder, { recursive: true });
  }
  return folder;
}

/**
 * @param {string} command a command of an app's dependency
 * @returns {string} its path
 */
export function appBin(command) {
  return join(apps, "node_modules/.bin", command);
}
