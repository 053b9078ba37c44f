// Somebody who comes back to an open page learns that their session ended, before they type on it.

import { leaveIfSignedOut } from "./signed-out.js";

const EVERY_MS_MIN = 10_000;
let askedAt = Date.now();

const ask = async () => {
  const isPrivate = document.querySelector("[data-person]");
  if (!isPrivate || document.hidden || Date.now() - askedAt < EVERY_MS_MIN) return;
  askedAt = Date.now();
  try {
    // The cheapest address that asks who somebody is; where it would lead does not matter.
    leaveIfSignedOut(await fetch("/", { method: "HEAD", redirect: "manual" }));
  } catch {
    // No connection now: the next time will tell.
  }
};

document.addEventListener("visibilitychange", ask);
window.addEventListener("focus", ask);
