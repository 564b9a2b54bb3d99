import { defineConfig } from "vite";

// Into the built playground, so that all pages have the same origin and thus the same broker.
export default defineConfig({
  base: "/check/",
  build: {
    target: "es2022",
    outDir: "../../../www/dist/check",
    emptyOutDir: true,
    rolldownOptions: { input: { index: "index.html", package: "package.html" } },
  },
});
