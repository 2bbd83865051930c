// Upload a file, or go on with it where an earlier run has stopped:
// node resume.js ENDPOINT FILE STORE [OPTIONS]
import { createReadStream } from "node:fs";
import * as tus from "tus-js-client";

const [endpoint, file, store, options = "{}"] = process.argv.slice(2);

const upload = new tus.Upload(createReadStream(file), {
  endpoint,
  urlStorage: new tus.FileUrlStorage(store),
  ...JSON.parse(options),
  onSuccess: () => console.log(upload.url),
  onError: (error) => {
    console.error(String(error));
    process.exitCode = 1;
  },
});
const [previous] = await upload.findPreviousUploads();
if (previous) upload.resumeFromPreviousUpload(previous);
upload.start();
