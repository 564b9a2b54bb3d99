/** A record as the log has it. */
export interface StoredRecord {
  topic: string;
  partition: number;
  offset: number;
  /** Milliseconds since the Unix epoch. */
  timestampMs: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: [name: string, value: Uint8Array | null][];
}
