// The clusters of this page: whoever names one that is open joins it.
import { TablogError } from "../errors/errors.js";
import { checkEnvironment, type Chosen, type ClusterOptions } from "../options/cluster.js";
import { Cluster } from "./cluster.js";

/** A cluster that is open, and how many use it. */
interface Entry {
  cluster: Cluster;
  options: ClusterOptions;
  users: number;
}

const entries = new Map<string, Entry>();

/** The cluster of that name, started when nobody has it yet. Every user releases it once. */
export function acquire(options: ClusterOptions): Cluster {
  const name = options.cluster;
  let entry = entries.get(name);
  if (entry !== undefined) checkSame(entry.options, options);
  else {
    checkEnvironment(options);
    // Its name is free for a successor, once it has ended.
    const cluster = new Cluster(options, () => entries.delete(name));
    entry = { cluster, options, users: 0 };
    entries.set(name, entry);
  }
  entry.users += 1;
  return entry.cluster;
}

/** One user less; the last one ends the cluster. */
export function release(cluster: Cluster): void {
  for (const entry of entries.values()) {
    if (entry.cluster !== cluster) continue;
    entry.users -= 1;
    if (entry.users === 0) cluster.close();
    return;
  }
}

/** Throws when a cluster is open otherwise than it was chosen. */
function checkSame(open: ClusterOptions, { cluster, chosen }: ClusterOptions): void {
  for (const name of Object.keys(chosen) as (keyof Chosen)[]) {
    const [is, shall] = [canonical(open[name]), canonical(chosen[name] ?? open[name])];
    if (is === shall) continue;
    throw new TablogError(`cluster "${cluster}" is open with ${name} ${is}, not ${shall}`, {
      type: "INVALID_CONFIG",
      code: 40,
    });
  }
}

/** As JSON, with the keys in order. */
function canonical(value: string | boolean | object): string {
  return JSON.stringify(value, Object.keys(value).sort());
}
