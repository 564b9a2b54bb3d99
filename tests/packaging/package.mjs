import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, root } from "../../scripts/run.mjs";

/**
 * @typedef {object} Packed
 * @property {string} tarball its path
 * @property {string[]} files what is in it
 */

/**
 * Makes the tarball that would be published.
 *
 * @param {string} folder where to
 * @returns {Promise<Packed>}
 */
export async function pack(folder) {
  const args = ["pack", "--json", "--pack-destination", folder];
  const printed = await mustRun("npm", args, { quiet: true });
  // The build, which `prepack` runs, prints before it.
  const json = printed.slice(printed.search(/^\[\n/m), printed.lastIndexOf("]") + 1);
  /** @type {{ filename: string, files: { path: string }[] }[]} */
  const [made] = JSON.parse(json);
  if (!made) throw new Error("npm pack made nothing");
  return { tarball: join(folder, made.filename), files: made.files.map(({ path }) => path) };
}

/**
 * Makes an app outside of the checkout that has the package from its tarball.
 *
 * @param {string} folder where to
 * @param {string} kind a folder of `apps/`
 * @param {Packed} packed
 */
export async function makeApp(folder, kind, { tarball }) {
  const apps = join(root, "tests/packaging/apps");
  for (const part of ["common", kind]) cpSync(join(apps, part), folder, { recursive: true });
  await mustRun("npm", ["install", "--no-audit", "--no-fund", tarball], { cwd: folder });
}

/** @returns {{ folder: string, remove: () => void }} a new folder outside of the checkout */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "tablog-packaging-"));
  const remove = () => {
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, remove };
}
