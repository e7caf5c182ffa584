// Sends a chosen file to POST /api/files and puts the id of the answer into the form.

import { request } from "./api.js";
import { el } from "./dom.js";

/** Return an element that uploads a file; `done` is called with the file_id. */
export function uploader(done) {
  const input = el("input", { type: "file", id: "upload" });
  const said = el("p", { className: "hint", "aria-live": "polite" });
  input.addEventListener("change", async () => {
    const file = input.files[0];
    if (!file) return;
    said.textContent = `Uploading ${file.name}…`;
    input.disabled = true;
    try {
      const path = `/api/files?filename=${encodeURIComponent(file.name.toWellFormed?.() ?? file.name)}`;
      const headers = { "Content-Type": "application/octet-stream" };
      const answer = JSON.parse((await request(path, { method: "POST", headers, body: file, afterMs: Infinity })).text);
      done(answer.file_id);
      said.textContent = `Uploaded ${answer.filename || "the file"}, ${answer.size.toLocaleString("en")} bytes.`;
    } catch (error) {
      said.textContent = `Not uploaded: ${error.message}`;
    } finally {
      input.disabled = false;
    }
  });
  const label = el("label", { htmlFor: "upload", textContent: "Upload a file" });
  return el("div", { className: "field" }, label, input, said);
}
