// Upload a file as standard input says, a word a line, each answered by a line:
// start, abort, terminate, wait (for the end).
// node steered.js ENDPOINT FILE [OPTIONS]
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import * as tus from "tus-js-client";

const [endpoint, file, options = "{}"] = process.argv.slice(2);

let ended;
const end = new Promise((resolve) => (ended = resolve));
const upload = new tus.Upload(createReadStream(file), {
  endpoint,
  ...JSON.parse(options),
  onSuccess: () => ended(upload.url),
  onError: (error) => ended(String(error)),
});

const steps = {
  start: () => upload.start(),
  abort: () => upload.abort(),
  terminate: () => upload.abort(true),
  wait: () => end,
};
for await (const word of createInterface({ input: process.stdin })) {
  console.log((await steps[word]()) ?? word);
}
