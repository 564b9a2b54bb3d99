const grouped = new Intl.NumberFormat("en");

/** `3,412`; a dash when there is no number. */
export function count(value: number | undefined): string {
  return value === undefined ? "–" : grouped.format(value);
}

/** `412 records/s`; nothing at rest. */
export function perSecond(value: number): string {
  return value === 0 ? "" : `${grouped.format(value)} records/s`;
}

/** The time of day to the millisecond. */
export function timeOfDay(atMs: number): string {
  const at = new Date(atMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const millis = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${millis}`;
}
