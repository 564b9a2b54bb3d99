// The arrows between the rooms of js/ and www/, as tests/architecture holds those of src/. An import
// of types only is an arrow, too.

/** Each room of js/ with the rooms that it may use; the top of the house comes first. */
const ARROWS = {
  producer: ["client", "options", "records", "platform", "types", "errors"],
  consumer: ["client", "options", "records", "platform", "types", "errors"],
  admin: ["client", "options", "platform", "types", "errors"],
  client: ["cluster", "host", "options", "platform", "types", "errors"],
  cluster: ["host", "options", "platform", "types", "errors"],
  host: ["platform", "types", "errors"],
  options: ["platform", "types", "errors"],
  records: ["types", "errors"],
  platform: ["types", "errors"],
  types: ["errors"],
  errors: [],
};
const ROOMS = Object.keys(ARROWS);
/** What `npm run build` makes: tsc finds the glue in pkg/. */
const MADE = "(bindings|inlined)[.]js$";

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    {
      name: "no-circle",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-other-room",
      comment: "a folder of js/ is a room of the house, with arrows of its own",
      severity: "error",
      from: {},
      to: { path: "^js/[^/]+/", pathNot: `^js/(${ROOMS.join("|")})/[^/]+$` },
    },
    ...Object.entries(ARROWS).map(([room, below]) => ({
      name: `arrows-of-${room}`,
      comment: `js/${room} may use ${below.join(", ") || "no other room"}`,
      severity: /** @type {const} */ ("error"),
      from: { path: `^js/${room}/` },
      to: { path: "^js/", pathNot: `^js/(${[room, ...below].join("|")})/` },
    })),
    {
      name: "worker-is-small",
      comment: "what runs in a worker needs hosts, and nothing of the page",
      severity: "error",
      from: { path: "^js/worker[.]ts$" },
      to: { path: "^js/", pathNot: "^js/host/" },
    },
    {
      name: "by-its-name",
      comment: "the playground imports the package by its name, as any user would",
      severity: "error",
      from: { path: "^www/" },
      to: { path: "^js/" },
    },
    {
      name: "glue-in-hosts",
      severity: "error",
      from: { path: "^js/", pathNot: "^js/host/" },
      to: { path: "bindings[.]js$" },
    },
    {
      name: "resolves",
      severity: "error",
      from: {},
      to: { couldNotResolve: true, pathNot: MADE },
    },
  ],
  options: {
    doNotFollow: { path: "^(node_modules|dist|pkg)/" },
    exclude: { path: "^(www/dist)/" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: [".ts", ".d.ts", ".js"], exportsFields: ["exports"] },
  },
};
