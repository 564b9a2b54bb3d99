import { defineConfig } from "vite";

export default defineConfig({
  // The flights are read from node_modules, which is above this folder.
  server: { port: 5173, fs: { allow: [".."] } },
  preview: { port: 4173 },
  build: { target: "es2022" },
});
