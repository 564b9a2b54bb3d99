/** Ends a wait: the call rejects with the signal's reason. */
export interface Abortable {
  signal?: AbortSignal | undefined;
}
