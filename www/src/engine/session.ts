import type { ProduceForm } from "./producer.ts";

const KEY = "tablog-playground";

/** What a person set going in this tab, and would miss after a reload. */
export interface Session {
  form: ProduceForm;
  stream?: { topic: string; rate: number };
  groups: GroupSession[];
}

export interface GroupSession {
  groupId: string;
  autoCommit: boolean;
  processingMs: number;
  members: { clientId: string; topic: string; paused: boolean }[];
}

/** Keeps it for this tab: another one has its own stream and members. */
export function saveSession(session: Session): void {
  sessionStorage.setItem(KEY, JSON.stringify(session));
}

/** What was saved; undefined when nothing was, or another version of the page did it. */
export function loadSession(): Session | undefined {
  try {
    const saved: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return isSession(saved) ? saved : undefined;
  } catch (error) {
    console.warn("what this tab had going cannot be read", error);
    return undefined;
  }
}

function isSession(value: unknown): value is Session {
  return (
    isObject(value) &&
    isForm(value.form) &&
    (value.stream === undefined || isStream(value.stream)) &&
    Array.isArray(value.groups) &&
    value.groups.every(isGroup)
  );
}

function isForm(value: unknown): value is ProduceForm {
  if (!isObject(value)) return false;
  const texts = [value.key, value.value, value.headers];
  return texts.every((text) => typeof text === "string") && typeof value.count === "number";
}

function isStream(value: unknown): boolean {
  return isObject(value) && typeof value.topic === "string" && typeof value.rate === "number";
}

function isGroup(value: unknown): value is GroupSession {
  return (
    isObject(value) &&
    typeof value.groupId === "string" &&
    typeof value.autoCommit === "boolean" &&
    typeof value.processingMs === "number" &&
    Array.isArray(value.members) &&
    value.members.every(
      (member) =>
        isObject(member) &&
        typeof member.clientId === "string" &&
        typeof member.topic === "string" &&
        typeof member.paused === "boolean",
    )
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
