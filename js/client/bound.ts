/**
 * Binds all methods of the object to it: KafkaJS's clients are plain objects of functions, and
 * programs take these apart (`const { send } = kafka.producer()`), spread them, and replace single
 * ones, as tracing and test doubles do.
 */
export function bindMethods(object: object): void {
  const prototype = Object.getPrototypeOf(object) as object;
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (name === "constructor" || typeof value !== "function") continue;
    const method = value as (...args: unknown[]) => unknown;
    Object.defineProperty(object, name, {
      value: method.bind(object),
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
}
