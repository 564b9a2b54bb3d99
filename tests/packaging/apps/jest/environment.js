import { TestEnvironment } from "jest-environment-jsdom";

/** Node has what jsdom leaves out; ports give buffers of Node's classes. */
export default class extends TestEnvironment {
  constructor(...args) {
    super(...args);
    const ports = { ArrayBuffer, MessageChannel, MessagePort, Uint8Array };
    Object.assign(this.global, { ...ports, TextDecoder, TextEncoder });
  }
}
