import { reap, reapBeside } from "../reap";
import { networkSchema } from "../schema/network";
import type { ResourceHandler } from "./resource";

/** What is known of a network. */
interface NetworkState {
  /** Path of the log of its switch. */
  readonly log: string;
}

/** The life of a private network: a process that is its switch. Which VMs are in it is theirs to say. */
export const network: ResourceHandler<typeof networkSchema, NetworkState> = {
  schema: networkSchema,
  replaceOnChanges: ["subnet"],
  deadlines: { create: 120, update: 120, read: 30, delete: 60 },

  async create(id, { subnet }, context) {
    const { networks, owner, signal, step } = context;
    await step("Removing what a crash has left", async () => reap(context));
    await networks.create(id, owner, subnet, signal);
    return { log: networks.log(id) };
  },

  // Without its switch it is still there: its VMs have their places in it, and the next switch finds them.
  read: async (id, state, { networks }) => ((await networks.exists(id)) ? state : undefined),

  lost: async (id, _state, { networks }) => ((await networks.exists(id)) ? undefined : "log"),

  async needsUpdate(id, _state, _inputs, { networks, say }) {
    if (await networks.isUp(id)) return false;
    say("its switch is gone; it will be started again");
    return true;
  },

  async update(id, _state, _inputs, { networks, signal }) {
    await networks.ensure(id, signal);
    return { log: networks.log(id) };
  },

  async delete(id, _state, context) {
    await context.networks.remove(id, context.signal);
    await reapBeside(context);
  },
};
