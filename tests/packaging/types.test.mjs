// The types as a strict project reads them, which checks its libraries, too.
import { join } from "node:path";
import { before, test } from "node:test";
import { mustRun, npmBin } from "../../scripts/run.mjs";
import { install, makeApp } from "./apps.mjs";

before(install);

for (const libraries of ["ES2022", "ES2022,DOM"]) {
  for (const module of [
    ["--module", "ESNext", "--moduleResolution", "bundler"],
    ["--module", "NodeNext", "--moduleResolution", "NodeNext"],
  ]) {
    test(`a program compiles with ${libraries}, ${module.join(" ")}`, async () => {
      const files = ["program.ts", "topics.ts", ...(libraries.includes("DOM") ? ["page.ts"] : [])];
      const flags = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "ES2022"];
      const checked = ["--skipLibCheck", "false", "--lib", libraries];
      const app = makeApp("types");
      const sources = files.map((file) => join(app, file));
      await mustRun(npmBin("tsc"), [...flags, ...checked, ...module, ...sources], { cwd: app });
    });
  }
}
