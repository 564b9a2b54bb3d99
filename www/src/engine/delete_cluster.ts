import { CLUSTER } from "./cluster.ts";

/**
 * Deletes the databases of the cluster, and with them all that it ever knew. The admin client cannot
 * do that: deleted groups leave tombstones in `__consumer_offsets`, as in Kafka. A broker that has
 * the databases open gives them up, and fails.
 */
export async function deleteCluster(): Promise<void> {
  const databases = await indexedDB.databases();
  const names = databases.map(({ name = "" }) => name);
  await Promise.all(names.filter((name) => name.startsWith(`tablog:${CLUSTER}:`)).map(deleteOne));
}

function deleteOne(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => {
      resolve();
    };
    request.onerror = () => {
      reject(request.error ?? new Error(`${name} cannot be deleted`));
    };
  });
}
