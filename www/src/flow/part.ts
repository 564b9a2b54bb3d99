/** The first of `items`, as many as may be shown, and how many are left out. */
export function part<Item>(
  items: readonly Item[],
  shownMax: number,
): { shown: readonly Item[]; hidden: number } {
  return { shown: items.slice(0, shownMax), hidden: Math.max(0, items.length - shownMax) };
}
