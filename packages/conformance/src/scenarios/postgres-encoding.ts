// What a database is encoded in is no business of the members: their text is UTF-8 in every language.
import { has, same } from "../expect.ts";
import { order } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

// One keeps any bytes and checks none, the other has one byte for what is two in UTF-8.
const encodings = ["SQL_ASCII", "LATIN1"] as const;
const customer = "Zoë";

export const postgresEncoding: Scenario[] = encodings.map((encoding) =>
  scenario(
    `pg-encoding-${encoding.toLowerCase().replace("_", "-")}`,
    "PG-12 PG-11",
    `in a database of the encoding ${encoding} members start, and text stays what it was`,
    async (lab) => {
      const database = await lab.ownDatabase({ encoding });
      const group = await lab.group({ ledger: "postgres", database });
      const send = (eventId: string, amount: number) =>
        group.send({
          eventId,
          directive: "return;balance=1",
          body: JSON.stringify({ ...order("e", amount), customer }),
        });
      const first = lab.join(group);
      await send("e.1", 7);
      has("the row", await group.settled("e.1", "done"), { member: first.id });
      first.signal("SIGTERM");
      await first.ended();
      // The next one finds the tables made, and reads what stands in them. Its URL may not change what its text is.
      const second = lab.join(group, { DATABASE_URL: `${database.url}?client_encoding=LATIN1` });
      await send("e.2", 30);
      has("the next row", await group.settled("e.2", "done"), { member: second.id });
      await send("e.1", 7);
      await group.quiet();
      same("the balance", await database.balance(customer), 37);
    },
  ),
);
