// Keys: makes one, shows it this once, and revokes.

import { post, remove } from "./api.js";
import { copyButton } from "./copy.js";
import { confirmDialog } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import { toast } from "./toast.js";

const form = byId("make");

function body() {
  const found = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
  if (found.quota) found.quota = Number(found.quota);
  if (found.expires_at) found.expires_at = new Date(found.expires_at).toISOString();
  return JSON.stringify(found);
}

/** Show what is wrong at its field, or at the button when it has none. */
function complain(problem) {
  form.querySelectorAll(".error").forEach((each) => (each.hidden = true));
  form.querySelectorAll("[aria-invalid]").forEach((each) => each.removeAttribute("aria-invalid"));
  const general = [];
  for (const { pointer, detail } of problem?.errors || []) {
    const input = form.elements[pointer.slice(1)];
    const place = input?.parentElement?.querySelector(".error");
    if (!place) general.push(`${pointer.slice(1)} ${detail}`);
    else {
      input.setAttribute("aria-invalid", "true");
      setText(place, detail);
      place.hidden = false;
    }
  }
  if (problem && !problem.errors.length) general.push(problem.message);
  setText(byId("wrong"), general.join("; "));
  byId("wrong").hidden = general.length === 0;
}

/** Show a key that nobody will ever see again; resolves when the dialog is closed. */
function showOnce({ key, name, role }) {
  const done = el("button", { type: "submit", className: "primary", textContent: "I have kept it" });
  const dialog = el(
    "dialog",
    { "aria-labelledby": "once" },
    el("form", { method: "dialog" }, el("h2", { id: "once", textContent: `The key ${name}` }), el("p", { textContent: `It has the role ${role}. Copy it now: it is not kept, and cannot be shown again.` }), el("div", { className: "once" }, el("code", { textContent: key }), copyButton(key, "the key")), el("div", { className: "buttons end" }, done)),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", resolve));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  complain(null);
  try {
    const { text } = await post("/api/keys", body());
    await showOnce(JSON.parse(text));
    location.reload();
  } catch (problem) {
    complain(problem);
    button.disabled = false;
  }
});

for (const button of document.querySelectorAll("[data-revoke]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const { revoke, name } = button.dataset;
    const sure = await confirmDialog({ title: `Revoke the key ${name}?`, text: "Within a second nobody can use it any more, its sessions end, and its open streams are closed.", action: "Revoke", danger: true });
    if (!sure) return;
    try {
      await remove(`/api/keys/${revoke}`);
      location.reload();
    } catch (problem) {
      toast(`Not revoked: ${problem.message}`, "bad");
    }
  });
}
