// What whoever is signed in may change, by the names of web/access.py; the server says it and goes on checking.

const given = document.querySelector('meta[name="may"]')?.content.split(" ");

/** Tell whether a change such as "queue.pause" is allowed; without a session there are no roles. */
export const may = (change) => !given || given.includes(change);
