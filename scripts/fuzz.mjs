// Fuzzes each target of fuzz/ for a while: `fuzz.mjs [SECONDS]`. `npm test` replays the corpus.
import { mkdirSync, readdirSync } from "node:fs";
import { delimiter, join, parse } from "node:path";
import { mustRun, root } from "./run.mjs";
import { cargoInstall } from "./setup.mjs";
import { cargoFuzz } from "./tools.mjs";

const seconds = Number(process.argv[2] ?? 60);
const tool = cargoFuzz();
await cargoInstall(tool);
await mustRun("rustup", ["toolchain", "install", "nightly", "--profile", "minimal"]);
for (const file of readdirSync(join(root, "fuzz/fuzz_targets"))) {
  const target = parse(file).name;
  // What it finds interesting goes to the first folder; the second is the one that is committed.
  const found = join("target/fuzz-corpus", target);
  mkdirSync(join(root, found), { recursive: true });
  const folders = [found, join("fuzz/corpus", target)];
  const args = ["+nightly", "fuzz", "run", target, ...folders, "--", `-max_total_time=${seconds}`];
  await mustRun("cargo", args, { env: { PATH: [tool.bin, process.env.PATH].join(delimiter) } });
}
