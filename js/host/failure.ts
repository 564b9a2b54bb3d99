import type { ErrorObject } from "../errors/error_object.js";
import { isError } from "../errors/realm.js";

/** What was thrown where a host starts, as it crosses to the page. */
export function errorObject(error: unknown): ErrorObject {
  if (typeof error === "object" && error !== null && "type" in error && "code" in error) {
    return error as ErrorObject;
  }
  const message = isError(error) ? error.message : String(error);
  return { type: "UNKNOWN_SERVER_ERROR", code: -1, kind: "platform", message, retriable: false };
}
