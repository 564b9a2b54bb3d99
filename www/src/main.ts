import * as tablog from "tablog";

document.querySelector("main")!.textContent = Object.keys(tablog).join(", ");
