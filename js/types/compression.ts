// How record batches are compressed.

/** How a record batch is compressed. All are built in. */
export enum CompressionTypes {
  None = 0,
  GZIP = 1,
  Snappy = 2,
  LZ4 = 3,
  ZSTD = 4,
}

/**
 * Where KafkaJS programs register codecs. All codecs are built in: what is put here is not asked.
 */
export const CompressionCodecs: Partial<Record<CompressionTypes, () => unknown>> = {};
