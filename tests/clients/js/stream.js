// Upload what comes on standard input, of a length that nobody knows before its end:
// node stream.js ENDPOINT CHUNK_SIZE
import * as tus from "tus-js-client";

const [endpoint, chunkSize] = process.argv.slice(2);

const upload = new tus.Upload(process.stdin, {
  endpoint,
  uploadLengthDeferred: true,
  chunkSize: Number(chunkSize), // so much is held in memory
  onSuccess: () => console.log(upload.url),
  onError: (error) => {
    console.error(String(error));
    process.exitCode = 1;
  },
});
upload.start();
