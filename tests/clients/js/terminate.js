// Remove an upload: node terminate.js URL
import * as tus from "tus-js-client";

await tus.Upload.terminate(process.argv[2]);
console.log("terminated");
