import { which } from "../scripts/tools.mjs";

// How every test starts the system's Chromium: nothing is downloaded, and it works as root.
export const chromium = {
  executablePath: process.env.CHROMIUM ?? which("chromium") ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};
