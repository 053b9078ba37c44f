// A page that comes back from the browser's memory may be somebody else's by now, or out of date.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});
