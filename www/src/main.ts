import * as tablog from "tablog";

document.title = `tablog: ${Object.keys(tablog).join(", ")}`;
