// Operations of an admin's state machine.
import { asError } from "../errors/error_object.js";
import type { GroupDescriptions } from "../types/admin.js";
import { MessageBytes } from "../types/message_bytes.js";
import type { CommandPort } from "./command_port.js";

export async function runOperation<Result>(
  port: CommandPort,
  operation: string,
  args: object,
): Promise<Result> {
  const { result } = await port.request<{ result: Result }>({ type: "run", operation, args });
  return result;
}

export async function describeGroups(
  port: CommandPort,
  groupIds: string[],
): Promise<GroupDescriptions> {
  const { groups } = await runOperation<GroupDescriptions>(port, "describeGroups", { groupIds });
  return {
    groups: groups.map(({ error, ...group }) => ({
      ...group,
      ...((error ?? null) === null ? {} : { error: asError(error) }),
      members: group.members.map((member) => ({
        ...member,
        memberMetadata: MessageBytes.copyOf(member.memberMetadata),
        memberAssignment: MessageBytes.copyOf(member.memberAssignment),
      })),
    })),
  };
}
