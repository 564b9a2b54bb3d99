/** Runs `run` for every item, for `atOnceMax` of them at a time. Rejects with the first failure. */
export async function eachAtOnce<Item>(
  items: Iterable<Item>,
  atOnceMax: number,
  run: (item: Item) => Promise<unknown>,
): Promise<void> {
  // One iterator for all: each takes the next item when it has finished its last.
  const left = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true; next = left.next()) await run(next.value);
  };
  await Promise.all(Array.from({ length: atOnceMax }, worker));
}
