import { appendFileSync, readFileSync } from "node:fs";
import { Socket } from "node:net";

/**
 * Preloaded into a server. Its clock runs ahead of the machine's by the milliseconds that a file holds, so that a monitor's
 * window passes without anybody waiting for it; and another file gets whatever the server tries to connect to.
 */
const folder = process.env.TEST_FOLDER ?? ".";
const machine = Date.now;
let aheadMs = 0;

function look(): void {
  const read = Number(readFileSync(`${folder}/clock`, "utf8"));
  // The writer may be about to write.
  if (read > aheadMs) aheadMs = read;
}

look();
setInterval(look, 5).unref();
Date.now = () => machine() + aheadMs;

const note = (host: string): void => appendFileSync(`${folder}/hosts`, `${host}\n`);
const connect = Reflect.get(Socket.prototype, "connect") as (this: Socket, ...options: unknown[]) => Socket;
Socket.prototype.connect = function connectNoted(this: Socket, ...options: unknown[]): Socket {
  this.on("connectionAttempt", (address: string, port: number) => note(`${address}:${port}`));
  this.on("lookup", (_error, _address, _family, host: string) => note(host));
  return connect.apply(this, options);
};
