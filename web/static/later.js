// The page of a task that could not be read: shows it as soon as it can be.

import { connection, request } from "./api.js";

const AGAIN_MS = 2000;

async function again() {
  try {
    await request(`/api${location.pathname}`);
    location.reload();
  } catch (problem) {
    if (problem.status === 404) location.reload();
    else setTimeout(again, AGAIN_MS);
  }
}

connection.tell(document.getElementById("trouble").textContent);
setTimeout(again, AGAIN_MS);
