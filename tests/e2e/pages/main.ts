// A page beside the playground that checks record by record what the playground shows in sums.
import * as check from "./check";

globalThis.check = check;
document.body.textContent = "ready";

declare global {
  var check: typeof import("./check");
}
