import type { Admin } from "tablog";
import type { Picture } from "../flow/picture.ts";

/**
 * Asks the broker what no frame told: which topics and groups there are, and how they stand. So a
 * page that opens finds all that was there before.
 */
export async function survey(admin: Admin, picture: Picture): Promise<void> {
  await surveyTopics(admin, picture);
  await surveyGroups(admin, picture);
}

async function surveyTopics(admin: Admin, picture: Picture): Promise<void> {
  const names = new Set(await admin.listTopics());
  for (const name of picture.topics.keys()) {
    if (!names.has(name)) picture.deleteTopic(name);
  }
  await Promise.all(
    [...names].map(async (topic) => {
      for (const { partition, high, low } of await admin.fetchTopicOffsets(topic)) {
        const found = picture.partition(topic, partition);
        found.logStartOffset = Number(low);
        // A produce may have been acknowledged since this was answered.
        found.highWatermark = Math.max(found.highWatermark, Number(high));
      }
    }),
  );
}

async function surveyGroups(admin: Admin, picture: Picture): Promise<void> {
  const groupIds = (await admin.listGroups()).groups.map(({ groupId }) => groupId);
  const there = new Set(groupIds);
  for (const groupId of picture.groups.keys()) {
    if (!there.has(groupId)) picture.groups.delete(groupId);
  }
  if (groupIds.length === 0) return;
  for (const described of (await admin.describeGroups(groupIds)).groups) {
    const group = picture.group(described.groupId);
    group.state = described.state;
    group.assignor = described.protocol;
    group.members = described.members.map(({ memberId, clientId, assignment }) => ({
      memberId,
      clientId,
      assignment,
    }));
  }
  // The answers are frames too, and folded in their order: here they might come after a newer commit.
  await Promise.all(groupIds.map((groupId) => admin.fetchOffsets({ groupId })));
}
