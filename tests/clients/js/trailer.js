// Send a file to an upload, and its checksum behind it, as node itself can:
// node trailer.js URL FILE ALGORITHM [SPOILT]
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { request } from "node:http";

const [url, file, algorithm, spoilt] = process.argv.slice(2);

const hash = createHash(algorithm);
const patch = request(url, {
  method: "PATCH",
  headers: {
    "Tus-Resumable": "1.0.0",
    "Upload-Offset": "0",
    "Content-Type": "application/offset+octet-stream",
    "Transfer-Encoding": "chunked",
    Trailer: "Upload-Checksum",
  },
});
patch.on("response", (response) => {
  console.log(response.statusCode, response.headers["upload-offset"]);
  response.resume();
});
for await (const piece of createReadStream(file)) {
  hash.update(piece);
  if (!patch.write(piece)) await new Promise((go) => patch.once("drain", go));
}
if (spoilt) hash.update("one more");
patch.addTrailers({ "Upload-Checksum": `${algorithm} ${hash.digest("base64")}` });
patch.end();
