/** Who does what on which channel. */
import { channels } from "./channels.ts";
import type { messages } from "./messages.ts";

/** Who performs an operation. */
export const roles = {
  publisher: { name: "publisher", description: "Publishes orders" },
  member: { name: "member", description: "A worker process of a group" },
  controlPlane: { name: "control plane", description: "Provisions groups, replays dead letters" },
};

type Role = keyof typeof roles;
type ChannelName = keyof typeof channels;
type MessageName = keyof typeof messages;

/** Messages an operation has of its channel, and what comes back to the inbox. */
interface Traffic {
  messages?: readonly MessageName[];
  reply?: readonly MessageName[];
}

const stored = { reply: ["pubAck"] } as const;

export const operations = {
  publishOrder: send("publisher", "orders", "Publish an order (PUB-1 to PUB-7)", stored),

  pull: send("member", "pull", "Ask for messages (section 12.1)", { reply: ["order", "replay", "status"] }),
  receiveOrder: receive(
    "member",
    "orders",
    "Take an order, pulled or, in mode queue, subscribed (section 7)",
  ),
  receivePushed: receive("member", "push", "Take what the server pushes (section 12.3)"),
  receiveReplay: receive("member", "replay", "Take a replay like any other message (MSG-5)"),
  settle: send("member", "acks", "End a delivery, or keep it in progress (ACK-1, section 7.6)"),
  deadLetter: send("member", "deadLetters", "Set a message aside (section 10)", stored),
  askConsumer: send("member", "consumerInfo", "Ask whether a pull has stalled (WATCH-1)", {
    reply: ["consumerState"],
  }),

  readSpec: send("member", "getGroups", "Read the spec (SPEC-1)", { reply: ["groupSpec", "status"] }),
  readContract: send("member", "getContracts", "Read a contract (SPEC-10)", {
    reply: ["contractSchema", "status"],
  }),
  readMember: send("member", "getMembers", "Look whose the id is (MEMBER-4)", {
    reply: ["memberRecord", "status"],
  }),
  heartbeat: send("member", "putMembers", "Say that the member lives (MEMBER-2)", {
    messages: ["memberRecord"],
    ...stored,
  }),
  leave: send("member", "putMembers", "Take the record away (MEMBER-9)", {
    messages: ["deleted"],
    ...stored,
  }),
  readAttempts: send("member", "getAttempts", "Read how often it failed (ADMIT-1)", {
    reply: ["attemptsRecord", "status"],
  }),
  writeAttempts: send("member", "putAttempts", "Put an attempt on record, or clean up (section 8)", stored),
  readRow: send("member", "getLedger", "Look up what became of the event (LOOK-1)", {
    reply: ["ledgerRow", "status"],
  }),
  writeRow: send("member", "putLedger", "Settle the event (SETTLE-1, SETTLE-10)", {
    messages: ["ledgerRow"],
    ...stored,
  }),

  drain: receive("member", "drain", "Drain on command (MEMBER-10)", { reply: ["commandAnswer"] }),
  takeQueueReplay: receive("member", "queueReplay", "Take a replay of a queue group (QUEUE-10)", {
    reply: ["commandAnswer"],
  }),

  writeSpec: send("controlPlane", "putGroups", "Write the desired state of a group", {
    messages: ["groupSpec"],
    ...stored,
  }),
  writeContract: send("controlPlane", "putContracts", "Publish a contract", {
    messages: ["contractSchema"],
    ...stored,
  }),
  replay: send("controlPlane", "replay", "Send a dead letter back to its group (section 11)", stored),
  archive: send("controlPlane", "archive", "Discard a dead letter (REPLAY-6)", stored),
};

function send(role: Role, channel: ChannelName, summary: string, traffic: Traffic = {}) {
  return operation("send", role, channel, summary, traffic);
}

function receive(role: Role, channel: ChannelName, summary: string, traffic: Traffic = {}) {
  return operation("receive", role, channel, summary, traffic);
}

function operation(
  action: "send" | "receive",
  role: Role,
  channel: ChannelName,
  summary: string,
  { messages: names, reply }: Traffic,
) {
  return {
    action,
    channel: { $ref: `#/channels/${channel}` },
    summary,
    tags: [roles[role]],
    messages: (names ?? Object.keys(channels[channel].messages)).map((name) => messageOf(channel, name)),
    ...(reply
      ? {
          reply: {
            channel: { $ref: "#/channels/inbox" },
            messages: reply.map((name) => messageOf("inbox", name)),
          },
        }
      : {}),
  };
}

function messageOf(channel: ChannelName, name: string): { $ref: string } {
  return { $ref: `#/channels/${channel}/messages/${name}` };
}
