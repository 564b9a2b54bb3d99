/**
 * Binds all methods of the object to it, those under symbols (`await using`) too: KafkaJS's clients
 * are plain objects of functions, and programs take these apart (`const { send } = kafka.producer()`),
 * spread them, and replace single ones, as tracing and test doubles do.
 */
export function bindMethods(object: object): void {
  const bound = new Set<string | symbol>(["constructor"]);
  // A subclass's methods come first, and hide those of the same name above.
  for (let of = proto(object); of !== null && of !== Object.prototype; of = proto(of)) {
    for (const name of Reflect.ownKeys(of)) {
      const method: unknown = Object.getOwnPropertyDescriptor(of, name)?.value;
      if (bound.has(name) || typeof method !== "function") continue;
      bound.add(name);
      Object.defineProperty(object, name, {
        value: (method as (...args: unknown[]) => unknown).bind(object),
        configurable: true,
        enumerable: true,
        writable: true,
      });
    }
  }
}

function proto(object: object): object | null {
  return Object.getPrototypeOf(object) as object | null;
}
