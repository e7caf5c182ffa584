// What every page has: the theme button, the sign of the connection, relative times, copy buttons.

import { connection, post, request } from "./api.js";
import { startCopying } from "./copy.js";
import { byId, setText } from "./dom.js";
import { startTimes } from "./time.js";
import { toast } from "./toast.js";

/** Milliseconds between looks while something is wrong. */
const AGAIN_MS = 2000;
/** Milliseconds that such a look may take. */
const LOOK_MS = 5000;
const THEMES = ["auto", "light", "dark"];
const root = document.documentElement;

function startTheme() {
  const button = byId("theme");
  const show = () => {
    const now = root.dataset.theme || "auto";
    button.title = `Theme: ${now}`;
    button.setAttribute("aria-label", `Theme: ${now}. Change it.`);
    button.dataset.theme = now;
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme || "auto") + 1) % THEMES.length];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem("theme", next);
    } catch {
      // It then lasts as long as the page.
    }
    show();
  });
  button.hidden = false;
  show();
}

const WORDS = { idle: "", live: "Live", paused: "Paused", lost: "Disconnected… Reconnecting…" };

function startConnection() {
  const show = () => {
    const live = byId("live");
    live.dataset.state = connection.state;
    setText(live, WORDS[connection.state]);
    const trouble = byId("trouble");
    trouble.hidden = connection.trouble === "";
    setText(trouble, connection.trouble);
  };
  connection.addEventListener("change", show);
  let looking = null; // one at a time: a browser asks a server for six things at once at most
  const look = () => {
    looking ??= request("/readyz", { afterMs: LOOK_MS }).catch(() => {}).finally(() => (looking = null));
  };
  window.addEventListener("offline", look);
  setInterval(() => connection.trouble && !document.hidden && look(), AGAIN_MS);
  if (connection.state !== "idle" || connection.trouble) show();
}

function startSigningOut() {
  const button = byId("sign-out");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post("/sign-out");
      location.assign("/sign-in");
    } catch (problem) {
      button.disabled = false;
      toast(`Not signed out: ${problem.message}`, "bad");
    }
  });
}

startTheme();
startSigningOut();
startConnection();
startTimes();
startCopying();
