// A server that a team could write in an afternoon: Express, Twilio's middleware, and one insert per text through a connection pool.
import { createServer } from "node:http";
import express from "express";
import pg from "pg";
import twilio from "twilio";
import { databaseUrl, listen, TOKEN, URL_OF_STREAM } from "./server.ts";

const pool = new pg.Pool({ connectionString: databaseUrl(), max: 16 });
const app = express();
app.post(
  "/inbound/team-a/support",
  express.urlencoded({ extended: false }),
  twilio.webhook(TOKEN, { url: URL_OF_STREAM }),
  async (request, response) => {
    const { AccountSid, MessageSid } = request.body;
    await pool.query(
      "insert into express (account_sid, message_sid, body) values ($1, $2, $3) on conflict do nothing",
      [AccountSid, MessageSid, new URLSearchParams(request.body).toString()],
    );
    response.type("text/xml").send("<Response/>");
  },
);
listen(createServer(app));
