// Upload a file: node upload.js ENDPOINT FILE [OPTIONS]
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import * as tus from "tus-js-client";

const [endpoint, file, options = "{}"] = process.argv.slice(2);

const upload = new tus.Upload(createReadStream(file), {
  endpoint,
  metadata: { filename: basename(file) },
  retryDelays: [0, 500, 1000, 2000, 4000],
  ...JSON.parse(options), // such as {"chunkSize": 1000000}
  onSuccess: () => console.log(upload.url),
  onError: (error) => {
    console.error(String(error));
    process.exitCode = 1;
  },
});
upload.start();
