/** What the field of that name says. */
export function field(form: HTMLFormElement, name: string): string {
  const value = new FormData(form).get(name);
  if (typeof value !== "string") throw new Error(`the form has no text ${name}`);
  return value;
}
