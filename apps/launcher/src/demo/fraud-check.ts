import { type NatsConnection, RequestError } from "@nats-io/transport-node";

const SUBJECT = "fraud.check";

/** Whether somebody answers fraud checks on this server already: then no order would fail for want of one. */
export async function hasFraudCheck(nc: NatsConnection): Promise<boolean> {
  const question = JSON.stringify({ order_id: "demo-probe", customer: "demo-probe", amount: 0 });
  try {
    await nc.request(SUBJECT, question, { timeout: 1000 });
    return true;
  } catch (error) {
    if (error instanceof RequestError && error.isNoResponders()) return false;
    // Somebody listens but does not answer in time.
    return true;
  }
}

/** Answers fraud checks until the connection ends: nobody is a fraud. */
export async function startFraudCheck(nc: NatsConnection): Promise<void> {
  nc.subscribe(SUBJECT, {
    callback: (error, message) => {
      if (error === null) message.respond(JSON.stringify({ ok: true }));
    },
  });
  // The server knows of it once it has answered: the replays may begin.
  await nc.flush();
}
